"""A judge's verdicts: both orders, or nothing."""

from __future__ import annotations

import pytest

from routenlp.errors import DataError
from routenlp.grading.preferences import Preference
from routenlp.grading.verdicts import Verdict, preferences_from_verdicts


def judged(*verdicts: tuple[str, str, str]):
    return preferences_from_verdicts([Verdict("q", *verdict) for verdict in verdicts])


@pytest.mark.parametrize(
    ("there", "back", "winner", "disagreed"),
    [
        ("first", "second", "a", 0),
        ("second", "first", "b", 0),
        ("first", "first", "tie", 1),
        ("second", "second", "tie", 1),
        ("tie", "tie", "tie", 0),
        ("first", "tie", "tie", 0),
    ],
)
def test_a_side_wins_only_in_both_orders(there, back, winner, disagreed):
    found = judged(("mid", "top", there), ("top", "mid", back))
    assert found.preferences == (Preference("q", "mid", "top", winner),)
    assert (found.disagreed, found.one_order) == (disagreed, 0)


def test_a_judge_that_always_favours_the_first_prefers_nobody():
    found = judged(("mid", "top", "first"), ("top", "mid", "first"))
    assert found.preferences[0].winner == "tie"


def test_a_pair_judged_in_one_order_is_left_out_and_counted():
    found = judged(("mid", "top", "first"))
    assert (found.preferences, found.one_order) == ((), 1)


def test_repeated_verdicts_of_one_order_are_averaged():
    found = judged(("mid", "top", "first"), ("mid", "top", "first"), ("mid", "top", "second"), ("top", "mid", "second"))
    assert found.preferences[0].winner == "a"


def test_an_unknown_verdict_is_refused():
    with pytest.raises(DataError, match=r"better: is 'left'\. Write first, tie, second"):
        judged(("mid", "top", "left"))


def test_a_tier_against_itself_is_refused():
    with pytest.raises(DataError, match="'mid' is compared with itself"):
        judged(("mid", "mid", "tie"))
