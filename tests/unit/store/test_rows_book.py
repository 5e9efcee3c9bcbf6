"""The book of rows: what was written is what is read, and no group lies in two folds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.errors import ArtefactError, FoldOverlap
from routenlp.store import artefacts, rows_book
from routenlp.store.rows_book import TaskRows
from routenlp.types import CalibrationFold, Example, GateFold, Parts, Query, TrainingFold, Turn


def example(name: str, **more) -> Example:
    query = Query(name, "t", more.pop("text", f"text of {name}"), more.pop("metadata", {}), more.pop("turns", ()))
    return Example(query, more.pop("reference", "yes"), more.pop("group", name))


def rows(train=("a",), calibrate=("b",), gate=("c",)) -> TaskRows:
    folds = [tuple(example(name) for name in names) for names in (train, calibrate, gate)]
    return TaskRows(TrainingFold("t", folds[0]), CalibrationFold("t", folds[1]), GateFold("t", folds[2]))


def test_what_was_written_is_what_is_read(tmp_path):
    turns = (Turn("user", "hello"), Turn("assistant", "💳 \x00"))
    odd = example("odd", text="\u2028 naïve", metadata={"schema": "s"}, turns=turns, reference='[{"a": 1}]', group="g")
    book = {"t": TaskRows(TrainingFold("t", (odd,)), CalibrationFold("t", ()), GateFold("t", (example("x"),)))}
    rows_book.write(tmp_path / "rows", book)
    assert rows_book.read(tmp_path / "rows") == book


def test_another_artefact_is_no_book(tmp_path):
    artefacts.write(tmp_path / "other", {"t": Parts("student", {}, {})})
    with pytest.raises(ArtefactError, match="kind"):
        rows_book.read(tmp_path / "other")


@pytest.mark.parametrize("folds", [{"train": "b"}, {"gate": "b"}, {"train": "c"}])
def test_a_group_in_two_folds_is_refused(folds):
    with pytest.raises(FoldOverlap, match="group"):
        rows(**folds)


@given(st.lists(st.sampled_from("adef"), max_size=6))
def test_a_lesson_is_learned_once(names):
    taught = rows().taught(example(name) for name in dict.fromkeys(names))
    assert [e.query.id for e in taught.train.examples] == ["a", *(n for n in dict.fromkeys(names) if n != "a")]
    assert taught.held_out == rows().held_out


def test_a_lesson_of_a_held_out_group_is_refused():
    with pytest.raises(FoldOverlap):
        rows().taught([example("new", group="b")])
