"""Reading supplied rows: what comes back, and what each kind of bad file says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bench.datasets.made import MadeData, gzipped, line

from routenlp.bench.datasets import six_tasks
from routenlp.errors import CorruptData, FoldOverlap, MissingData, UnknownTask


def both_parts(**changes: Any) -> list[dict[str, Any]]:
    """Rows of cs_intent, of which the second is changed."""
    return [
        line("cs_intent", "train", 0),
        line("cs_intent", "train", 1, **changes),
        line("cs_intent", "test", 2),
    ]


def test_rows_become_examples_in_file_order(made: MadeData) -> None:
    made.write("cs_intent", both_parts())
    supplied = six_tasks.load(made.six_tasks, "cs_intent")
    assert supplied.task is six_tasks.TASKS["cs_intent"]
    assert [e.query.id for e in supplied.train] == ["made/train-0", "made/train-1"]
    [example] = supplied.test
    assert (example.query.task, example.query.text, example.reference) == ("cs_intent", "text 2", "label 2")
    assert example.group == "made/test-group-2"


def test_source_is_the_schema_of_the_query(made: MadeData) -> None:
    made.write("cs_intent", both_parts(source="elsewhere"))
    assert six_tasks.load(made.six_tasks, "cs_intent").train[1].query.metadata == {"schema": "elsewhere"}


def test_entity_targets_become_canonical_json(made: MadeData) -> None:
    target = [{"text": "Zürich", "type": "LOC", "start": 4}]
    rows = [line("fin_ner", split, i, target=target) for i, split in enumerate(("train", "test"))]
    made.write("fin_ner", rows)
    [example] = six_tasks.load(made.six_tasks, "fin_ner").test
    assert example.reference == '[{"type": "LOC", "text": "Zürich"}]'


@pytest.mark.parametrize("text", ["", "\0", "\ud800", "a" * 100_000])
def test_any_text_is_accepted(made: MadeData, text: str) -> None:
    made.write("cs_intent", both_parts(text=text))
    assert six_tasks.load(made.six_tasks, "cs_intent").train[1].query.text == text


def test_files_with_listed_hashes_load(made: MadeData) -> None:
    made.write("cs_intent", both_parts())
    made.list_hashes()
    assert len(six_tasks.load(made.six_tasks, "cs_intent").train) == 2


def test_altered_file_is_refused_with_both_hashes(made: MadeData) -> None:
    made.write("cs_intent", both_parts())
    made.list_hashes()
    path = made.write("cs_intent", both_parts(target="altered"))
    with pytest.raises(CorruptData, match=r"has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}") as caught:
        six_tasks.load(made.six_tasks, "cs_intent")
    assert caught.value.subject == str(path)


def test_unreadable_hash_list_is_refused(made: MadeData) -> None:
    made.write("cs_intent", both_parts())
    (made.root / "SHA256SUMS").write_text("not a hash\n")
    with pytest.raises(CorruptData, match=r"SHA256SUMS, line 1.*not a hash"):
        six_tasks.load(made.six_tasks, "cs_intent")


def test_unknown_task_names_the_known_ones(made: MadeData) -> None:
    with pytest.raises(UnknownTask, match=r"'poetry'.*legal_risk, cs_intent_oos"):
        six_tasks.load(made.six_tasks, "poetry")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"nowhere: there is no such folder.*ROUTENLP_DATA"):
        six_tasks.load(tmp_path / "nowhere", "cs_intent")


def test_missing_file_names_the_download(made: MadeData) -> None:
    made.write("fin_ner", b"")
    with pytest.raises(MissingData, match=r"legal_risk.jsonl.gz.*data get unfair-tos"):
        six_tasks.load(made.six_tasks, "legal_risk")


def test_file_that_is_a_folder(made: MadeData) -> None:
    (made.six_tasks / "fin_ner.jsonl.gz").mkdir(parents=True)
    with pytest.raises(MissingData, match=r"fin_ner.jsonl.gz: cannot be read"):
        six_tasks.load(made.six_tasks, "fin_ner")


@pytest.mark.parametrize("part", ["train", "test"])
def test_task_without_rows_in_a_part(made: MadeData, part: str) -> None:
    made.write("cs_intent", [line("cs_intent", "test" if part == "train" else "train", 0)])
    with pytest.raises(MissingData, match=f"cs_intent has no {part} rows"):
        six_tasks.load(made.six_tasks, "cs_intent")


def test_truncated_gzip(made: MadeData) -> None:
    made.write("cs_intent", gzipped(both_parts())[:-12])
    with pytest.raises(CorruptData, match="truncated"):
        six_tasks.load(made.six_tasks, "cs_intent")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no gzip at all", "is not a gzip file"),
        (b"", "has no train rows"),
        (gzip.compress(b"\xff\xfe\n", mtime=0), "is not UTF-8"),
        (gzip.compress(b"{'task': 1}\n", mtime=0), "line 1: is not JSON"),
        (gzip.compress(b"\n", mtime=0), "line 1: is not JSON"),
        (gzip.compress(b"[" * 100_000, mtime=0), "line 1: is not JSON"),
        (gzip.compress(b"[]\n", mtime=0), "line 1: is not a JSON object"),
    ],
)
def test_file_that_holds_no_rows(made: MadeData, content: bytes, says: str) -> None:
    made.write("cs_intent", content)
    with pytest.raises((CorruptData, MissingData), match=says):
        six_tasks.load(made.six_tasks, "cs_intent")


@pytest.mark.parametrize("key", ["task", "split", "id", "group", "text", "target", "source"])
def test_missing_key_is_named_with_its_line(made: MadeData, key: str) -> None:
    rows = both_parts()
    del rows[1][key]
    made.write("cs_intent", rows)
    with pytest.raises(CorruptData, match=f"line 2: has no key '{key}'"):
        six_tasks.load(made.six_tasks, "cs_intent")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text": 7}, "text is 7"),
        ({"id": ""}, "id is ''"),
        ({"target": None}, "target is None"),
        ({"target": ["a"]}, "target is ['a']"),
        ({"split": "dev"}, "split is 'dev'"),
        ({"task": "fin_ner"}, "task is 'fin_ner', expected 'cs_intent'"),
    ],
)
def test_wrong_value_is_shown_with_its_line(made: MadeData, changes: dict[str, Any], says: str) -> None:
    made.write("cs_intent", both_parts(**changes))
    with pytest.raises(CorruptData) as caught:
        six_tasks.load(made.six_tasks, "cs_intent")
    assert "line 2" in caught.value.subject
    assert says in caught.value.problem


@pytest.mark.parametrize("target", ["Company", [["Company", "IBM"]], [{"type": "Company"}], [{"type": 1, "text": "x"}]])
def test_entity_target_of_another_shape(made: MadeData, target: Any) -> None:
    made.write("fin_ner", [line("fin_ner", "train", 0, target=target)])
    with pytest.raises(CorruptData, match="line 1: target"):
        six_tasks.load(made.six_tasks, "fin_ner")


def test_group_in_both_parts(made: MadeData) -> None:
    made.write("cs_intent", both_parts(group="made/test-group-2"))
    with pytest.raises(FoldOverlap, match="'made/test-group-2' is in train and in test"):
        six_tasks.load(made.six_tasks, "cs_intent")


def test_id_used_twice(made: MadeData) -> None:
    made.write("cs_intent", both_parts(id="made/train-0"))
    with pytest.raises(CorruptData, match="two rows have the id 'made/train-0'"):
        six_tasks.load(made.six_tasks, "cs_intent")


COUNTS = {
    "cs_intent": (9_900, 2_600),
    "cs_response": (8_400, 1_700),
    "fin_ner": (4_712, 984),
    "fin_summarisation": (1_930, 495),
    "legal_clause": (5_714, 1_466),
    "legal_risk": (9_500, 1_700),
    "cs_intent_oos": (18_087, 5_493),
}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("task", COUNTS)
def test_supplied_rows_are_all_read(six_tasks_dir: Path, task: str) -> None:
    supplied = six_tasks.load(six_tasks_dir, task)
    assert (len(supplied.train), len(supplied.test)) == COUNTS[task]
    if task == "fin_ner":
        schemas = {e.query.metadata["schema"] for e in supplied.train}
        assert schemas == set(json.loads((six_tasks_dir / "schemas.json").read_text())["fin_ner"])
