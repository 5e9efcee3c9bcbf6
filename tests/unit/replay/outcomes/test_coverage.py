"""Which models and queries stay, so that every kept model answered every kept query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.replay.outcomes.made import columns, row, rows

from routenlp.errors import DataError
from routenlp.replay.outcomes.reading import read_outcomes


def drops(table):
    return [(d.what, d.count) for d in table.dropped]


def test_queries_that_lack_a_model_are_dropped_and_the_model_is_named():
    frame = columns([one for one in rows(10, "a", "b", "c") if (one["query_id"], one["model"]) != ("q4", "b")])
    table = read_outcomes(frame)
    assert (table.n, drops(table)) == (9, [("queries", 1)])
    assert table.dropped[0].why == "a kept model has no usable answer to them (b to 1)"
    assert table.dropped[0].examples == ("q4",)


def test_a_model_with_few_answers_is_dropped_rather_than_most_queries():
    table = read_outcomes(columns([*rows(10, "a", "b"), *rows(4, "new")]))
    assert (table.n, table.models, drops(table)) == (10, ("a", "b"), [("model new", 4)])
    assert "under half of 10" in table.dropped[0].why


def test_a_model_with_half_of_the_answers_is_kept():
    table = read_outcomes(columns([*rows(10, "a", "b"), *(row(f"q{i}", "new", cost_usd=9.0) for i in range(5))]))
    assert (table.n, table.models) == (5, ("a", "b", "new"))


def test_of_two_models_that_exclude_each_other_the_better_one_stays():
    first = [row(f"q{i}", "x", 0.5) for i in range(6)]
    second = [row(f"q{i}", "y", 0.9) for i in range(4, 10)]
    table = read_outcomes(columns([*rows(10, "a", "b"), *first, *second]))
    assert (set(table.models), table.n) == ({"a", "b", "y"}, 6)


def test_queries_that_one_model_answered_do_not_speak_on_coverage():
    lonely = [row(f"elsewhere{i}@c", "c") for i in range(100)]
    table = read_outcomes(columns([*rows(10, "a", "b"), *lonely]))
    assert (table.n, table.models) == (10, ("a", "b"))
    assert drops(table) == [("queries", 100), ("model c", 100)]


def test_a_model_that_shares_no_query_with_another_is_named():
    table = read_outcomes(columns([*rows(3, "a", "b"), row("x1", "c"), row("x2", "c"), row("q0", "d", None)]))
    assert drops(table) == [("rows", 1), ("queries", 2), ("model c", 2), ("model d", 1)]


def test_a_task_that_is_lost_is_noted():
    recorded = [one | {"task": "t"} for one in rows(10, "a", "b", "c")]
    recorded += [row(f"q{i}", model, task="s") for i in range(3) for model in "ab"]
    table = read_outcomes(columns(recorded))
    assert (table.task_names, drops(table)) == (("t",), [("queries", 3)])
    assert "Of s no query is kept" in table.notes[0]


def test_the_story_of_the_drops_is_in_the_error_when_nothing_is_left():
    recorded = [row("q1", "a"), row("q1", "b"), row("q2", "b"), row("q2", "c"), row("q3", "c"), row("q3", "a")]
    with pytest.raises(DataError, match=r"no query is left \(dropped: 3 queries: a kept model has no usable answer"):
        read_outcomes(columns(recorded), models=["a", "b", "c"])


@given(st.sets(st.tuples(st.integers(0, 12), st.sampled_from("abcd")), min_size=1))
def test_what_is_left_is_complete_and_every_query_and_model_is_accounted_for(answered):
    recorded = [row(f"q{i}", model, i / 12) for i, model in answered]
    try:
        table = read_outcomes(columns(recorded))
    except DataError:
        return
    assert np.isfinite(table.quality).all()
    assert {(int(id_[1:]), m) for id_ in table.ids for m in table.models} <= answered
    gone_queries = sum(d.count for d in table.dropped if d.what == "queries")
    assert table.n + gone_queries == len({i for i, _ in answered})
    gone_models = {d.what.removeprefix("model ") for d in table.dropped if d.what.startswith("model ")}
    assert {*table.models, *gone_models} == {model for _, model in answered}
    assert gone_models.isdisjoint(table.models)
