"""How each public source maps to rows."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest

from routenlp.bench.datasets import normalise
from routenlp.bench.datasets.pins import PINS


def rows_of(files: dict[str, bytes]) -> list[dict[str, Any]]:
    [content] = files.values()
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def company(name: str, sentences: list[tuple[str, str]]) -> dict[str, bytes]:
    texts, marks = zip(*sentences, strict=True)
    return {
        f"corpus/sentences/en/original/{name}.txt": "\n".join(texts).encode(),
        f"corpus/tags/en/original/{name}.txt": "\n".join(marks).encode(),
    }


def contracts(*sentences: tuple[str, str]) -> list[dict[str, Any]]:
    """Rows of one training company with these sentences, and one held-out company."""
    members = {
        "corpus/lists/LIST_ALL.txt": b"Held.txt\nKept.txt\n",
        "corpus/lists/LIST_TEST_0.txt": b"Held.txt\n",
        **company("Held", [("We may change these terms at any time.", "ch3 ")]),
        **company("Kept", list(sentences)),
    }
    return rows_of(normalise.unfair_tos(members))


def test_every_pin_has_its_normaliser() -> None:
    assert normalise.NORMALISE.keys() == PINS.keys()


@pytest.mark.parametrize(
    ("marks", "risk"),
    [("", "low"), ("$", "low"), ("ltd1 ", "low"), ("use2 $", "medium"), ("j1 law2 ", "medium"), ("law2 ter3", "high")],
)
def test_clause_is_as_risky_as_its_worst_mark(marks: str, risk: str) -> None:
    kept, _ = contracts(("You accept all of these terms.", marks))
    assert kept["target"] == risk


def test_mark_without_a_level_says_nothing_of_risk() -> None:
    kept, _ = contracts(("This applies in the United Kingdom.", "countrym "))
    assert kept["target"] == "low"


def test_contracts_are_grouped_and_split_by_company() -> None:
    kept, held = contracts(("You accept all of these terms.", ""))
    assert (kept["split"], kept["group"], kept["id"]) == ("train", "tos50/Kept", "tos50/Kept-0")
    assert (held["split"], held["group"], held["target"]) == ("test", "tos50/Held", "high")


def test_headings_are_left_out_and_ids_stay_line_numbers() -> None:
    kept, _ = contracts(("1. TERMS", ""), ("You  accept all of\tthese terms.", ""))
    assert (kept["id"], kept["text"]) == ("tos50/Kept-1", "You accept all of these terms.")


def test_test_text_that_was_trained_on_is_left_out() -> None:
    [row] = contracts(("We may change these TERMS at any time.", "ch3 "))
    assert row["split"] == "train"


def test_clinc_validation_rows_train() -> None:
    parts = {part: [[f"{part} text", "label"]] for part in ("train", "val", "test")}
    parts |= {f"oos_{part}": [[f"oos {part} text", "oos"]] for part in ("train", "val", "test")}
    rows = rows_of(normalise.clinc150({"data/data_full.json": json.dumps(parts).encode()}))
    assert [row["id"] for row in rows if row["split"] == "test"] == ["clinc150/test-0", "clinc150/oos_test-0"]
    assert len(rows) == 6


def test_outcomes_have_a_line_a_query_and_model() -> None:
    folder = "routellm/evals"
    question = {"question_id": 81, "turns": ["Write.", "Rewrite."]}
    judgement = {"question_id": 81, "turn": 2, "model": "large", "score": 9.5}
    files = normalise.routellm(
        {
            f"{folder}/gsm8k/gsm8k_responses.csv": b"prompt,small,large,small_response\n1+1?,False,True,True\n",
            f"{folder}/mmlu/responses/mmlu_virology.csv": b'prompt,small,large\n"Which,\none?",True,True\n',
            f"{folder}/mt_bench/question.jsonl": json.dumps(question).encode() + b"\n",
            f"{folder}/mt_bench/judgements.jsonl": json.dumps(judgement).encode() + b"\n",
        }
    )
    [content] = files.values()
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(content).decode(), newline="")))
    assert [(r["task"], r["query_id"], r["query"], r["model"], r["quality"]) for r in rows] == [
        ("gsm8k", "gsm8k-0", "1+1?", "small", "0.0"),
        ("gsm8k", "gsm8k-0", "1+1?", "large", "1.0"),
        ("mmlu/virology", "mmlu/virology-0", "Which,\none?", "small", "1.0"),
        ("mmlu/virology", "mmlu/virology-0", "Which,\none?", "large", "1.0"),
        ("mt_bench", "mt_bench-81-2", "Rewrite.", "large", "0.95"),
    ]
