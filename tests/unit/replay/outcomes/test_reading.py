"""Every format and frame gives the same table, in whatever order its rows are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.replay.outcomes.made import ENDINGS, columns, equal, row, rows, write

from routenlp.errors import DataError, SettingsError
from routenlp.replay.outcomes.reading import read_outcomes

SAID = ("quality", "cost_usd", "query", "response", "confidence", "latency_ms")
FULL = [
    row("b", "dear", task="t", group="g") | dict(zip(SAID, (0.5, 2.0, "why?", "so", 0.25, 1500.0), strict=True)),
    row("a", "cheap", task="t", group="g") | dict(zip(SAID, (0.0, 0.5, "how?", "thus", None, 20.0), strict=True)),
    row("b", "cheap", task="t", group="g") | dict(zip(SAID, (1.0, 0.5, "why?", "", 0.75, None), strict=True)),
    row("a", "dear", task="t", group="g") | dict(zip(SAID, (1.0, 4.0, "how?", "é", 1.0, 0.0), strict=True)),
]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_is_read(tmp_path, ending):
    table = read_outcomes(write(tmp_path / f"log.{ending}", FULL))
    assert table.models == ("cheap", "dear")
    assert (table.ids, table.tasks, table.groups, table.texts) == (("a", "b"), ("t", "t"), ("g", "g"), ("how?", "why?"))
    assert table.quality.tolist() == [[0.0, 1.0], [1.0, 0.5]]
    assert table.cost_usd.tolist() == [[0.5, 4.0], [0.5, 2.0]]
    assert np.array_equal(table.confidence, [[np.nan, 1.0], [0.75, 0.25]], equal_nan=True)
    assert np.array_equal(table.latency_s, [[0.02, 0.0], [np.nan, 1.5]], equal_nan=True)
    assert table.answer_length.tolist() == [[4.0, 1.0], [0.0, 2.0]]
    assert (table.cost_kind, table.dropped) == ("recorded", ())
    assert [note.partition(":")[0] for note in table.notes] == ["No confidence came with 1 of cheap's 2 answers"]


def test_a_frame_of_columns_and_an_arrow_table_are_read_alike(tmp_path):
    expected = read_outcomes(write(tmp_path / "log.parquet", FULL))
    assert equal(read_outcomes(columns(FULL)), expected)
    assert equal(read_outcomes(pa.table(columns(FULL))), expected)


def test_a_pandas_frame_is_read_alike():
    frame = pd.DataFrame(columns(FULL), index=[7, 3, 5, 3])
    assert equal(read_outcomes(frame), read_outcomes(columns(FULL)))
    assert equal(read_outcomes(frame.convert_dtypes()), read_outcomes(columns(FULL)))


def test_a_frame_of_any_library_is_its_columns():
    class Column(list):
        def __getitem__(self, part):
            return Column(super().__getitem__(part))

        def to_list(self):
            return list(self)

    class FrameOfColumns:
        columns = tuple(columns(FULL))

        def __getitem__(self, name):
            return Column(columns(FULL)[name])

    assert equal(read_outcomes(FrameOfColumns()), read_outcomes(columns(FULL)))


@given(st.permutations([*rows(6, "a", "b", "c"), row("q1", "a", 0.3), row("alone", "a"), row("q3", "b", None)]))
def test_shuffled_rows_give_the_same_table(shuffled):
    ordered = sorted(shuffled, key=str)
    assert equal(read_outcomes(columns(shuffled)), read_outcomes(columns(ordered)))


def test_only_three_columns_and_a_cost_are_required():
    table = read_outcomes({"query_id": [1, 1], "model": ["a", "b"], "quality": [True, False]}, costs={"a": 1, "b": 2})
    assert (table.ids, table.tasks, table.groups, table.texts) == (("1",), ("default",), ("1",), None)
    assert table.quality.tolist() == [[1.0, 0.0]]
    assert np.isnan(table.answer_length).all()


def test_columns_that_nobody_asks_for_are_not_looked_at(tmp_path):
    expected = read_outcomes(columns(rows(3, "a", "b")))
    for ending in ENDINGS:
        odd = [one | {"label": "B", "nested": "{", "size": "large"} for one in rows(3, "a", "b")]
        assert equal(read_outcomes(write(tmp_path / f"log.{ending}", odd)), expected)


def test_other_columns_can_be_named():
    recorded = [one | {"domain": "law", "verbal": 0.9, "part": "test"} for one in rows(3, "a", "b")]
    table = read_outcomes(columns(recorded), task_column="domain", confidence_column="verbal", split_column="part")
    assert table.task_names == ("law",)
    assert (table.confidence == 0.9).all()
    assert table.held_out is not None
    assert table.held_out.all()


def test_the_same_id_in_two_tasks_is_two_queries():
    recorded = [one | {"task": task} for task in ("t", "s") for one in rows(2, "a", "b")]
    table = read_outcomes(columns(recorded))
    assert (table.tasks, table.ids) == (("s", "s", "t", "t"), ("q0", "q1", "q0", "q1"))


def test_only_the_tiers_asked_for_are_kept_and_none_is_dropped_for_gaps():
    recorded = [*rows(9, "a", "b"), *rows(2, "c")]
    table = read_outcomes(columns(recorded), models=["c", "a"])
    assert (set(table.models), table.n) == ({"a", "c"}, 2)
    assert ("model b", 9) in [(d.what, d.count) for d in table.dropped]


def test_the_length_of_an_answer_is_in_tokens_where_they_are_recorded():
    recorded = [one | {"response": "text", "output_tokens": 7} for one in rows(2, "a", "b")]
    assert (read_outcomes(columns(recorded)).answer_length == 7.0).all()


def test_rows_of_a_query_with_different_texts_are_noted():
    recorded = [one | {"query": f"prompt for {one['model']}"} for one in rows(2, "a", "b")]
    table = read_outcomes(columns(recorded))
    assert table.texts == ("prompt for a", "prompt for a")
    assert "2 queries have rows with different texts" in table.notes[0]


def test_a_constant_confidence_is_kept_and_noted():
    recorded = [one | {"confidence": 0.8 if one["model"] == "a" else i / 10} for i, one in enumerate(rows(3, "a", "b"))]
    table = read_outcomes(columns(recorded))
    assert table.constant_confidence == ("a",)
    assert (table.confidence[:, 0] == 0.8).all()
    assert "confidence of a is the same for every query" in table.notes[0]


def test_answers_without_a_confidence_are_kept_and_counted():
    recorded = [
        one | {"confidence": float("nan") if i in (0, 2) else i / 10} for i, one in enumerate(rows(3, "a", "b"))
    ]
    table = read_outcomes(columns(recorded))
    assert table.n == 3
    assert table.absent_confidence == {"a": 2}
    assert table.notes == ("No confidence came with 2 of a's 3 answers: they are kept, and judged without one.",)


def test_any_text_is_a_text(tmp_path):
    texts = ["", "\0", "\ud800", "x" * 200_000, 'a "quoted", line\nand another']
    recorded = [one | {"query": text} for i, text in enumerate(texts) for one in [row(f"q{i}", "a"), row(f"q{i}", "b")]]
    assert read_outcomes(write(tmp_path / "log.jsonl", recorded)).texts == tuple(texts)
    recorded = [one for one in recorded if one["query"] != "\ud800"]
    assert read_outcomes(write(tmp_path / "log.csv", recorded)).texts == tuple(t for t in texts if t != "\ud800")
    assert read_outcomes(write(tmp_path / "log.parquet", recorded)).texts == tuple(t for t in texts if t != "\ud800")


def test_rounding_of_32_bit_grades_is_forgiven():
    recorded = [one | {"quality": 1.0 + 1e-7 * one["quality"]} for one in rows(3, "a", "b")]
    assert read_outcomes(columns(recorded)).quality.max() == 1.0


@pytest.mark.parametrize(("argument", "key"), [("task_column", "task"), ("split_column", "split")])
def test_a_column_asked_for_must_be_there(argument, key):
    with pytest.raises(SettingsError, match=f"{key}_column: .* no column 'domain'.* It has query_id"):
        read_outcomes(columns(rows(2, "a", "b")), **{argument: "domain"})


@pytest.mark.parametrize("argument", [{"confidence_column": "query"}, {"task_column": "latency_ms"}])
def test_a_column_has_one_meaning(argument):
    with pytest.raises(SettingsError, match="is asked for in two meanings"):
        read_outcomes(columns(FULL), **argument)


def test_an_unknown_tier_or_cost_is_refused_with_the_names_there_are():
    for argument in ({"models": ["a", "x"]}, {"costs": {"x": 1.0}}):
        with pytest.raises(SettingsError, match=r"no model 'x'. Use names out of a, b"):
            read_outcomes(columns(rows(2, "a", "b")), **argument)


@pytest.mark.parametrize("split", ["first", None])
def test_a_split_says_train_or_test(split):
    recorded = [one | {"part": split if one["query_id"] == "q1" else "train"} for one in rows(3, "a", "b")]
    with pytest.raises(SettingsError, match=r"query 'q1' has .* for its split. Name a column that says train"):
        read_outcomes(columns(recorded), split_column="part")


def test_rows_of_a_query_must_agree_on_its_group():
    recorded = [one | {"group": one["model"]} for one in rows(2, "a", "b")]
    with pytest.raises(DataError, match=r"column group: query 'q0' has 'a' and 'b'"):
        read_outcomes(columns(recorded))
