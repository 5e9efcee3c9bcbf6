"""A recorded answer is found by the query's id or by its words; a doubtful one is none."""

from __future__ import annotations

import pytest

from routenlp.backends.recording import RecordedAnswer, Recording, Row, read_recording, write_recording
from routenlp.types import Query, Turn


def find(*rows: Row, **query) -> str | None:
    said = Recording(rows).find(Query(**({"id": "", "task": "t", "text": "hello"} | query)))
    return None if said is None else said.text


def test_the_same_words_in_the_same_task():
    row = Row("a", "t", "hello", "hi")
    assert find(row) == "hi"
    assert find(row, text="hello!") is None
    assert find(row, task="u") is None


def test_the_id_goes_before_the_words():
    rows = Row("a", "t", "hello", "first"), Row("b", "t", "hello", "second")
    assert find(*rows, id="b") == "second"
    assert find(*rows, id="b", text="other") == "second"
    assert find(*rows, id="c") is None, "which of two is meant cannot be told"
    assert find(Row("a", "t", "hello", "same"), Row("b", "t", "hello", "same")) == "same"


def test_what_was_said_before_is_part_of_the_query():
    row = Row("a", "t", "yes", "done", turns=[Turn("user", "shall I?")])
    assert find(row, text="yes", turns=(Turn("user", "shall I?"),)) == "done"
    assert find(row, text="yes") is None


def test_metadata_tells_apart_what_says_the_same():
    rows = Row("a", "t", "hello", "A", {"schema": "x"}), Row("b", "t", "hello", "B", {"schema": "y"})
    assert find(*rows, metadata={"schema": "y", "user": "u"}) == "B"
    assert find(*rows, metadata={"schema": "z"}) is None
    assert find(rows[0]) == "A", "with no metadata, the only one there is"


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_it_comes_back_from_its_file(tmp_path, name):
    write_recording(tmp_path / name, [Row("a", "t", "héllo\n", "hi", {"schema": "x"}, [Turn("user", "y")])])
    recording = read_recording(tmp_path / name)
    assert len(recording) == 1
    assert recording.find(Query("a", "t", "")) == RecordedAnswer("hi")


def test_what_a_model_said_of_its_tokens_comes_back_with_its_answer(tmp_path):
    write_recording(tmp_path / "r.jsonl", [Row("a", "t", "hello", "hi", token_probs=[0.5, 1.0], tokens=(450, 2))])
    assert read_recording(tmp_path / "r.jsonl").find(Query("a", "t", "")) == RecordedAnswer("hi", (0.5, 1.0), (450, 2))
