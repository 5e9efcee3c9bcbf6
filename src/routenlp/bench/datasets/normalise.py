"""From what a public source holds to the files that the benches read.

Each function takes the source's files, by path in its repository and already checked against their hashes, and gives
the files to write, by path under the data folder. Which rows upstream put into test is kept.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from routenlp.bench.datasets.rows import Row, write_rows
from routenlp.bench.datasets.six_tasks import FILES

Members = Mapping[str, bytes]

RISK_BY_LEVEL: Mapping[str, str] = MappingProxyType({"1": "low", "2": "medium", "3": "high"})
"""The corpus marks a clause 1 (clearly fair), 2 (potentially unfair) or 3 (clearly unfair) behind its category."""
RISKS = ("low", "medium", "high")
MIN_CLAUSE_WORDS = 5
"""Shorter lines of a contract are headings and numbers, not clauses."""
OUTCOME_COLUMNS = ("dataset", "task", "query_id", "query", "model", "quality")


def banking77(members: Members) -> dict[str, bytes]:
    """Intents of bank customers: one row a query, split as upstream."""
    rows = (
        _own_group("cs_intent", split, f"banking77/{split}-{i}", _line(fields["text"]), fields["category"], "banking77")
        for split in ("train", "test")
        for i, fields in enumerate(_csv(members[f"banking_data/{split}.csv"]))
    )
    return _task_file("cs_intent", _distinct(rows))


def clinc150(members: Members) -> dict[str, bytes]:
    """150 intents and out-of-scope queries. Upstream's validation rows join the training rows."""
    parts = json.loads(members["data/data_full.json"])
    splits = {"train": ("train", "oos_train", "val", "oos_val"), "test": ("test", "oos_test")}
    rows = (
        _own_group("cs_intent_oos", split, f"clinc150/{part}-{i}", text, label, "clinc150")
        for split, names in splits.items()
        for part in names
        for i, (text, label) in enumerate(parts[part])
    )
    return _task_file("cs_intent_oos", _distinct(rows))


def unfair_tos(members: Members) -> dict[str, bytes]:
    """Sentences of the English terms of service by risk: the worst level marked, low where nothing is marked.

    Split by company: the companies of upstream's first test list are the test rows.
    """
    everyone = members["corpus/lists/LIST_ALL.txt"].decode().split()
    held_out = frozenset(members["corpus/lists/LIST_TEST_0.txt"].decode().split())
    in_order = sorted(everyone, key=lambda name: name in held_out)
    rows = (row for name in in_order for row in _clauses(members, name, "test" if name in held_out else "train"))
    return _task_file("legal_risk", _distinct(rows))


def _clauses(members: Members, name: str, split: str) -> Iterator[Row]:
    sentences = members[f"corpus/sentences/en/original/{name}"].decode().split("\n")
    tags = members[f"corpus/tags/en/original/{name}"].decode().split("\n")
    group = f"tos50/{name.removesuffix('.txt')}"
    for i, (sentence, marks) in enumerate(zip(sentences, tags, strict=True)):
        text = _line(sentence)
        if len(text.split()) >= MIN_CLAUSE_WORDS:
            yield Row("legal_risk", split, f"{group}-{i}", group, text, _risk(marks), "tos50")


def _risk(marks: str) -> str:
    """`marks` such as "ltd2 ter3": category and level; "$" and marks without a level say nothing of risk."""
    levels = [RISK_BY_LEVEL.get(mark[-1]) for mark in marks.split()]
    return max((level for level in levels if level), key=RISKS.index, default="low")


def ectsum(members: Members) -> dict[str, bytes]:
    """Earnings calls with their bullet summaries. Upstream's validation calls join the training calls."""
    rows = (
        _own_group("fin_summarisation", split, f"ectsum/{part}/{call}", text, summary, "ectsum")
        for part, split in (("train", "train"), ("val", "train"), ("test", "test"))
        for call, text, summary in _calls(members, part)
    )
    return _task_file("fin_summarisation", rows)


def _calls(members: Members, part: str) -> Iterator[tuple[str, str, str]]:
    """Name, transcript and summary of each call of one part, by name."""
    folder = f"data/final/{part}/ects/"
    for path in sorted(members):
        if path.startswith(folder):
            name = path.removeprefix(folder)
            summary = members[f"data/final/{part}/gt_summaries/{name}"].decode()
            yield name.removesuffix(".txt"), members[path].decode().strip(), summary.strip()


def routellm(members: Members) -> dict[str, bytes]:
    """Recorded outcomes of two models: 1 or 0 on MMLU and GSM8K, the judge's score / 10 on each MT-bench turn."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(OUTCOME_COLUMNS)
    for path in sorted(members):
        if path.endswith(".csv"):
            task = path.rpartition("/")[2].removesuffix(".csv").removesuffix("_responses").replace("mmlu_", "mmlu/")
            writer.writerows(_graded(task, members[path]))
    writer.writerows(_judged(members))
    content = gzip.compress(text.getvalue().encode(), mtime=0)
    return {"outcomes/routellm_gpt4_mixtral.csv.gz": content}


def _graded(task: str, content: bytes) -> Iterator[tuple[str, ...]]:
    """One line a (query, model) of a table whose columns named after models hold True or False."""
    quality = {"True": "1.0", "False": "0.0"}
    for i, fields in enumerate(_csv(content)):
        for model, outcome in fields.items():
            if outcome in quality and model != "prompt" and not model.endswith("_response"):
                yield "routellm", task, f"{task}-{i}", fields["prompt"], model, quality[outcome]


def _judged(members: Members) -> Iterator[tuple[str, ...]]:
    turns = {row["question_id"]: row["turns"] for row in _lines(members["routellm/evals/mt_bench/question.jsonl"])}
    for row in _lines(members["routellm/evals/mt_bench/judgements.jsonl"]):
        question, turn = row["question_id"], row["turn"]
        query = turns[question][turn - 1]
        quality = str(round(row["score"] / 10, 4))
        yield "routellm", "mt_bench", f"mt_bench-{question}-{turn}", query, row["model"], quality


NORMALISE: Mapping[str, Callable[[Members], dict[str, bytes]]] = MappingProxyType(
    {
        "banking77": banking77,
        "clinc150": clinc150,
        "unfair-tos": unfair_tos,
        "ectsum": ectsum,
        "routellm": routellm,
    }
)
"""By the name of the pin."""


def _task_file(task: str, rows: Iterable[Row]) -> dict[str, bytes]:
    return {f"six-tasks/{FILES[task]}": write_rows(rows)}


def _own_group(task: str, split: str, row_id: str, text: str, target: str, source: str) -> Row:
    return Row(task, split, row_id, row_id, text, target, source)


def _distinct(rows: Iterable[Row]) -> Iterator[Row]:
    """The first row of each text, so that no test text was trained on; letter case and spaces do not count."""
    seen: set[str] = set()
    for row in rows:
        text = _line(row.text.casefold())
        if text not in seen:
            seen.add(text)
            yield row


def _line(text: str) -> str:
    """On one line, with single spaces."""
    return " ".join(text.split())


def _csv(content: bytes) -> Iterator[dict[str, str]]:
    return iter(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in content.decode().split("\n") if line.strip())
