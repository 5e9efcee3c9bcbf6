"""Preferences: what a row must say, and how far preferences contradict one another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.errors import DataError
from routenlp.grading.preferences import (
    SHARE_OF_A,
    Preference,
    check_preference,
    count_contradictions,
    index_preferences,
)

TIERS = ("small", "mid", "top")
ROW = {"query_id": "q1", "tier_a": "small", "tier_b": "top", "winner": "b"}


def prefer(query: str, *pairs: tuple[str, str]) -> list[Preference]:
    """The first of each pair wins on the query."""
    return [Preference(query, a, b, "a") for a, b in pairs]


def count(preferences: list[Preference]):
    ids = sorted({p.query_id for p in preferences})
    return count_contradictions(index_preferences(preferences, ids, TIERS), 3)


def test_a_good_row_is_read():
    assert check_preference(ROW, "row 1", TIERS) == Preference("q1", "small", "top", "b", 1.0)
    assert check_preference({**ROW, "query_id": 7, "weight": "2.5"}, "row 1", TIERS).weight == 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tier_a": "huge"}, "row 3, tier_a: 'huge' is no tier. Name one of small, mid, top"),
        ({"tier_b": "small"}, "row 3, tier_b: 'small' is compared with itself"),
        ({"winner": "c"}, "row 3, winner: is 'c'. Write a, tie, b"),
        ({"winner": "A"}, "winner: is 'A'"),
        ({"winner": None}, "winner: is missing"),
        ({"query_id": ""}, "query_id: is ''"),
        ({"query_id": True}, "query_id: is True"),
        ({"weight": 0}, "weight: is 0"),
        ({"weight": -1.0}, "weight: is -1.0"),
        ({"weight": "nan"}, "weight: is 'nan'"),
        ({"weight": "inf"}, "weight: is 'inf'"),
        ({"weight": True}, "weight: is True"),
        ({"weight": [1]}, "weight"),
    ],
)
def test_a_bad_row_is_refused_by_key_value_and_remedy(change, message):
    with pytest.raises(DataError, match=message.replace(".", r"\.").replace("[", r"\[")):
        check_preference({**ROW, **change}, "row 3", TIERS)


def test_a_preference_on_an_unknown_query_is_refused():
    with pytest.raises(DataError, match="query 'q9' is not among the 1 known"):
        index_preferences(prefer("q9", ("small", "top")), ["q1"], TIERS)


def test_a_preference_on_an_unknown_tier_is_refused():
    with pytest.raises(DataError, match="'huge' is no tier"):
        index_preferences(prefer("q1", ("small", "huge")), ["q1"], TIERS)


def test_a_tie_is_half_a_win_for_each_side():
    pairs = index_preferences([Preference("q", "small", "mid", "tie", 3.0)], ["q"], TIERS)
    assert pairs.wins(1, 3)[0].tolist() == [[0, 1.5, 0], [1.5, 0, 0], [0, 0, 0]]


@given(st.lists(st.tuples(st.integers(0, 3), st.permutations(range(3)), st.sampled_from(sorted(SHARE_OF_A)))))
def test_swapping_the_sides_says_the_same(rows):
    swapped = {"a": "b", "b": "a", "tie": "tie"}
    one = [Preference(str(q), TIERS[o[0]], TIERS[o[1]], w) for q, o, w in rows]
    two = [Preference(str(q), TIERS[o[1]], TIERS[o[0]], swapped[w]) for q, o, w in rows]
    ids = ["0", "1", "2", "3"]
    wins = [index_preferences(p, ids, TIERS).wins(4, 3) for p in (one, two)]
    np.testing.assert_allclose(wins[0], wins[1])
    assert wins[0].sum() == len(rows)


def test_taking_rows_keeps_their_preferences_only():
    pairs = index_preferences(prefer("a", ("small", "mid")) + prefer("c", ("top", "mid")), ["a", "b", "c"], TIERS)
    taken = pairs.take(np.array([2, 1]))
    assert (taken.row.tolist(), taken.first.tolist()) == ([0], [2])


def test_agreeing_preferences_contradict_nothing():
    found = count(prefer("q", ("top", "mid"), ("mid", "small"), ("top", "small")))
    assert (found.preferences, found.opposed, found.cyclic_queries, found.cyclic_overall) == (3, 0, 0, False)


def test_a_circle_is_counted():
    found = count(prefer("q", ("small", "mid"), ("mid", "top"), ("top", "small")) + prefer("r", ("top", "mid")))
    assert (found.cyclic_queries, found.cyclic_overall) == (1, False)


def test_a_circle_over_queries_is_seen_though_no_query_has_one():
    found = count(prefer("q", ("small", "mid")) + prefer("r", ("mid", "top")) + prefer("s", ("top", "small")))
    assert (found.cyclic_queries, found.cyclic_overall) == (0, True)


def test_opposed_preferences_are_counted_and_ties_oppose_nobody():
    both = [*prefer("q", ("small", "mid"), ("mid", "small")), Preference("r", "small", "mid", "tie")]
    found = count([*both, *prefer("r", ("mid", "small"))])
    assert (found.opposed, found.ties, found.cyclic_queries) == (1, 1, 0)


def test_no_preferences_at_all():
    found = count([])
    assert (found.preferences, found.cyclic_queries, found.cyclic_overall) == (0, 0, False)
