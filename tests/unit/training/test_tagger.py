"""What taggers learn from, and what they refuse to learn from."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from routenlp.errors import TrainingError
from routenlp.grading.entities import Entity, from_text, overlap, to_text
from routenlp.training.spans import lists_mentions, mark
from routenlp.training.tagger import fit_tagger
from routenlp.types import Example, Query

ACME = Entity("Company", "Acme")
YEAR = Entity("Date", "2012")
MONTH = Entity("Date", "May 2012")


def example(text: str, reference: str, schema: str | None = "news") -> Example:
    return Example(Query(text, "ner", text, {"schema": schema} if schema else {}), reference, text)


def marked(text: str, *entities: Entity, mentions: bool) -> list[tuple[int, int]]:
    return [(s.first, s.last) for s in mark(text, entities, ("Company", "Date"), mentions=mentions).spans]


def test_a_reference_that_lists_mentions_marks_one_place_each() -> None:
    assert marked("Acme , Acme and Acme", ACME, ACME, mentions=True) == [(0, 0), (2, 2)]


def test_a_reference_that_is_a_set_marks_every_place() -> None:
    assert marked("Acme , Acme and Acme", ACME, mentions=False) == [(0, 0), (2, 2), (4, 4)]


def test_longer_strings_are_placed_before_those_that_they_hold() -> None:
    assert marked("May 2012 and 2012", YEAR, MONTH, mentions=False) == [(0, 1), (3, 3)]


def test_words_are_never_cut() -> None:
    assert marked("Acmes or Acme", ACME, mentions=True) == [(2, 2)]


def test_an_entity_that_is_not_in_the_text_marks_nothing() -> None:
    assert marked("Nobody here", ACME, mentions=True) == []


def test_the_rows_tell_lists_of_mentions_from_sets() -> None:
    text = "In 2012 Acme grew"
    assert lists_mentions([(text, (YEAR, ACME))] * 3)
    assert not lists_mentions([(text, (ACME, YEAR))] * 3)


def test_sets_are_answered_once_each_and_sorted() -> None:
    rows = [
        example(f"In {year} {name} met {name} .", to_text([Entity("Company", name), Entity("Date", year)]))
        for name in ("Acme", "Borealis", "Cato", "Dunder")
        for year in ("2019", "2020", "2021")
    ]
    tagger = fit_tagger(rows, encoder=None, seed=1).student
    (answer,) = tagger.predict([Query("q", "ner", "In 2020 Acme met Acme .", {"schema": "news"})])
    assert from_text(answer.text) == (ACME, Entity("Date", "2020"))
    assert answer.token_probs is not None
    assert len(answer.token_probs) == 3


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [example("Acme grew", to_text([ACME]), schema=None)],
        [example("Acme grew", "a company")],
        [example("  ", "[]")],
    ],
)
def test_no_usable_row_is_a_training_error(rows: list[Example]) -> None:
    with pytest.raises(TrainingError, match="schema"):
        fit_tagger(rows, encoder=None, seed=1)


def test_one_row_is_enough_to_be_defined() -> None:
    tagger = fit_tagger([example("Acme grew", to_text([ACME]))], encoder=None, seed=1).student
    assert tagger.predict([Query("q", "ner", "Acme grew", {"schema": "news"})])[0].token_probs


def test_a_label_set_without_any_entity_answers_with_none() -> None:
    tagger = fit_tagger([example(f"nothing {i}", "[]") for i in range(20)], encoder=None, seed=1).student
    assert tagger.predict([Query("q", "ner", "nothing 3", {"schema": "news"})])[0].text == "[]"


def test_a_seeded_fifth_of_the_rows_is_answered_unseen() -> None:
    rows = [example(f"In {year} Acme grew", to_text([Entity("Date", str(year)), ACME])) for year in range(2000, 2030)]
    held_out = fit_tagger(rows, encoder=None, seed=3).held_out
    assert len(held_out) == 6
    assert set(held_out) < {row.query.id for row in rows}
    assert set(held_out) == set(fit_tagger(rows, encoder=None, seed=3).held_out)


def test_the_same_rows_and_seed_give_the_same_bytes() -> None:
    rows = [example(f"In {year} Acme grew", to_text([Entity("Date", str(year)), ACME])) for year in range(2000, 2030)]
    first, second = (fit_tagger(rows, encoder=None, seed=3).student.parts().arrays for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.slow
@pytest.mark.data
def test_a_small_sample_of_the_real_rows_is_learned(six_tasks_dir: Path) -> None:
    with gzip.open(six_tasks_dir / "fin_ner.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    examples = {
        split: [
            example(row["text"], to_text(Entity(e["type"], e["text"]) for e in row["target"]), row["source"])
            for row in rows
            if row["split"] == split
        ][::5]
        for split in ("train", "test")
    }
    tagger = fit_tagger(examples["train"], encoder=None, seed=1).student
    answers = tagger.predict([row.query for row in examples["test"]])
    quality = [overlap(a.text, e.reference).f1 for a, e in zip(answers, examples["test"], strict=True)]
    assert np.mean(quality) > 0.5
