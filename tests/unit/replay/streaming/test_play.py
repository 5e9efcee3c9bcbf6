"""Streams replayed in numpy are what the machine does, token by token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.replay.streaming import made_streams as made

from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.replay.streaming.play import Rung, play
from routenlp.replay.streaming.rows import NEVER, sentence_tokens
from routenlp.replay.streaming.through_machine import stream_query
from routenlp.types import Query

chance = st.one_of(st.floats(0, 1), st.just(float("nan")))
pieces = st.sampled_from(["ab", " ", ". ", ".", "é", "\n", "! Now"])
tokens = st.lists(st.tuples(chance, pieces), max_size=12)
limit = st.one_of(st.none(), st.floats(0, 1))
rules = st.builds(
    CommitRule,
    st.builds(CommitPoint, st.integers(1, 8), st.booleans()),
    limit,
    limit,
    st.integers(1, 6),
)


def generations(every):
    return [made.said(i, [p for p, _ in one], [word for _, word in one]) for i, one in enumerate(every)]


@settings(max_examples=300, deadline=None)
@given(
    every=st.lists(tokens, min_size=1, max_size=5),
    whole=st.floats(0, 1),
    rule=st.one_of(st.none(), rules),
    top=st.booleans(),
)
def test_numpy_and_the_machine_do_the_same(every, whole, rule, top):
    recorded = generations(every)
    rows, rung = made.streams(recorded), Rung(None if top else whole, None if top else rule)
    played = play(rows, rung)
    for i, one in enumerate(recorded):
        through = stream_query(made.policy(rung, rung.commit), Query(one.id, "t", ""), made.recorded(one))
        steps = through.trace.steps
        assert played.cheap[i] == (through.trace.answer.tier == "small")
        assert played.cancelled[i] == steps[0].cancelled
        assert played.released[i] == (steps[0].commit is not None and steps[0].commit.released)
        assert played.cost_usd[i] == pytest.approx(through.trace.cost_usd)
        assert played.first_token_s[i] == pytest.approx(through.first_token_s)
        if steps[0].commit is not None:
            assert played.written[i] == steps[0].commit.tokens


@given(every=st.lists(tokens, min_size=1, max_size=5), whole=st.floats(0, 1), point=st.integers(1, 8))
def test_without_thresholds_it_is_buffered_bit_for_bit(every, whole, point):
    rows = made.streams(generations(every))
    held, buffered = (play(rows, Rung(whole, rule)) for rule in (CommitRule(CommitPoint(point), None), None))
    for name in ("cheap", "quality", "cost_usd", "first_token_s", "written", "cancelled", "released"):
        assert np.array_equal(getattr(held, name), getattr(buffered, name))


def test_a_threshold_of_one_always_releases_at_the_point():
    rows = made.streams([made.said(i, [0.1] * n) for i, n in enumerate((2, 3, 9))])
    played = play(rows, Rung(0.5, CommitRule(CommitPoint(3), 1.0)))
    assert played.released.tolist() == [False, True, True]
    assert played.written.tolist() == [2, 3, 3]
    assert played.first_token_s[2] == pytest.approx(0.25 + 3 * 0.125)


def test_a_cancelled_call_costs_what_was_written_and_the_top_tier():
    rows = made.streams([made.said(0, [0.2] * 40)])
    played = play(rows, Rung(1.0, CommitRule(CommitPoint(5), 0.1)))
    assert played.cancelled.all()
    assert played.cost_usd[0] == pytest.approx(made.SMALL.cost_usd(10, 5) + rows.top_usd[0])
    assert play(rows, Rung(0.1)).cost_usd[0] == pytest.approx(made.SMALL.cost_usd(10, 41) + rows.top_usd[0])


def test_an_empty_answer_is_never_released_or_accepted():
    rows = made.streams([made.said(0, [])])
    played = play(rows, Rung(1.0, CommitRule(CommitPoint(1), 1.0)))
    assert not played.cheap.any()
    assert not played.cancelled.any()


def test_half_a_character_says_nothing_yet():
    one = made.said(0, [0.9] * 3, ["aé", "b", "c"])
    halved = type(one)(one.id, one.answer, one.token_probs, (2, 2, 1), 10, 4, "stop")
    assert [halved.text_after(n) for n in (1, 2, 3)] == ["a", "aéb", "aébc"]


def test_the_first_sentence_is_counted_in_tokens():
    words = ["Hello ", "you ", "all", ". ", "Bye", "."]
    assert sentence_tokens([made.said(0, [1.0] * 6, words), made.said(1, [1.0] * 2, ["no", " end"])]).tolist() == [
        4,
        NEVER,
    ]


def test_some_rows_are_the_same_rows():
    rows = made.streams([made.said(i, [0.5] * n) for i, n in enumerate((1, 4, 9))])
    some = rows.take(np.array([2, 0]))
    assert some.tokens.tolist() == [9, 1]
    assert np.array_equal(some.score, rows.score[[2, 0]])
    assert some.token_usd == rows.token_usd
