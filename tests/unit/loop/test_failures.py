"""What counts as a failure, why, and what is peculiar about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.loop.failures import Cause, Observed, find_failures
from routenlp.loop.tags import LONG_WORDS, Tag, tags
from routenlp.types import Answer, Query, Route, Step, Trace, Turn

TIERS = ("small", "mid", "top")


def observed(called: str, final: str, quality: dict[str, float] | None = None, text: str = "hello there") -> Observed:
    """`called`: names of tiers, blank between."""
    answers = [Answer(tier, f"{tier} says", None, 1, 1, 0.0, 0.0) for tier in called.split()]
    steps = tuple(Step(a, 0.4, 0.2, accepted=a.tier == final) for a in answers)
    chosen = next(a for a in answers if a.tier == final)
    query = Query("q", "t", text)
    return Observed(Trace(query, Route("t", answers[0].tier, (), ""), steps, chosen, "", "v"), quality or {})


def test_an_escalation_is_a_failure_of_the_dearest_cheap_tier_and_its_teacher_answer_is_paid():
    [failure] = find_failures([observed("small mid top", "top", {"mid": 0.0, "top": 1.0})], top="top")
    assert (failure.cause, failure.tier, failure.gap) == (Cause.ESCALATED, "mid", 1.0)
    assert (failure.score, failure.teacher_answer) == (0.4, "top says")


def test_an_accepted_answer_fails_only_where_it_is_known_to_be_worse():
    rows = [
        observed("small", "small", {"small": 0.0, "top": 1.0}),
        observed("small", "small", {"small": 1.0, "top": 1.0}),
        observed("small", "small", {"small": 0.0}),
        observed("small", "small"),
    ]
    [failure] = find_failures(rows, top="top")
    assert (failure.cause, failure.tier, failure.gap, failure.teacher_answer) == (Cause.WORSE, "small", 1.0, None)


def test_a_better_answer_returned_after_a_worse_dearer_one_is_judged_itself():
    [failure] = find_failures([observed("small mid", "small", {"small": 0.5, "mid": 0.0, "top": 1.0})], top="top")
    assert (failure.tier, failure.gap) == ("small", 0.5)


def test_a_query_that_went_to_the_top_at_once_has_no_cheap_answer_to_judge():
    [failure] = find_failures([observed("top", "top", {"top": 1.0})], top="top")
    assert (failure.cause, failure.tier, failure.score, failure.gap) == (Cause.SKIPPED, None, None, None)


def test_where_the_teacher_was_worse_the_gap_is_negative():
    [failure] = find_failures([observed("small top", "top", {"small": 1.0, "top": 0.0})], top="top")
    assert failure.gap == -1.0


def test_nothing_served_nothing_failed():
    assert find_failures([], top="top") == ()


@pytest.mark.parametrize(
    ("text", "turns", "found"),
    [
        ("what about the second one", (Turn("user", "two flats"),), {Tag.MULTI_TURN}),
        ("and that one?", (Turn("assistant", "yes"),), {Tag.MULTI_TURN}),
        ("what about the second one", (), set()),
        ("what about the second one", (Turn("system", "be brief"),), set()),
        ("Please send my card to Berlin", (Turn("user", "hi"),), set()),
        ("t h e l e s s e e shall pay", (), {Tag.OCR}),
        ("the lan1ord sh@ll pay the r3nt and c0sts du\ufffd", (), {Tag.OCR}),
        ("Revenue of $1,234.5m in Q3 2021 rose by 4% at IBM2", (), set()),
        ("word " * (LONG_WORDS + 1), (), {Tag.LONG}),
        ("word " * LONG_WORDS, (), set()),
        ("", (), set()),
    ],
)
def test_tags_by_their_signs(text, turns, found):
    assert set(tags(Query("q", "t", text, {}, turns))) == found


def test_out_of_scope_needs_to_know_how_near_anything_is():
    query = Query("q", "t", "how do I bake bread")
    assert tags(query, nearest=0.1) == (Tag.OUT_OF_SCOPE,)
    assert tags(query, nearest=0.9) == tags(query) == ()


@given(st.text(max_size=200))
def test_every_text_can_be_tagged(text):
    assert set(tags(Query("q", "t", text, {}, (Turn("user", text),)))) <= set(Tag)
