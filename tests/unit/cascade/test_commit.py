"""Commit rules, and what the machine makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import TIERS, answer, policy, thresholds

from routenlp.cascade.commit import (
    HOLD,
    CommitPoint,
    CommitRule,
    Escalate,
    Hold,
    Prefix,
    Release,
    reached,
    sentence_ended,
)
from routenlp.cascade.committing import Committing
from routenlp.cascade.machine import Ask, Done, advance, cancelled, prefix, released, start
from routenlp.errors import IllegalMove, SettingsError
from routenlp.store.policies import STOP_RULES
from routenlp.types import Query

RULE = CommitRule(CommitPoint(3), 0.25)
INNER = thresholds({"small": 0.3, "mid": 0.6})
probs = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(tuple)


def committing(rule=RULE, *, first="small", tier="small", inner=INNER):
    return policy(Committing(inner, TIERS, {"intent": {tier: rule}}), first=first)


def asked(chosen):
    return start(chosen, Query("q", "intent", "text"))


def said(*token_probs, text=""):
    return Prefix(text, token_probs)


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("Hello there. ", True),
        ("Hello there.", False),
        ("It is 3.14 or so", False),
        ('He said "no." Then', True),
        ("One line\nanother", True),
        ("\n\nno words yet", False),
        ("Ja! Nein", True),
        ("これは文です。次", True),
        ("", False),
    ],
)
def test_a_sentence_ends_with_its_mark_and_white_space_or_a_line(text, ended):
    assert sentence_ended(text) is ended


def test_a_point_at_the_sentence_is_reached_there_or_at_its_tokens():
    point = CommitPoint(10, sentence=True)
    assert reached(point, said(*[1.0] * 4, text="Hello you there. Now"))
    assert not reached(point, said(*[1.0] * 3, text="Dr. Who"))
    assert not reached(point, said(*[1.0] * 9, text="no end in sight of this"))
    assert reached(point, said(*[1.0] * 10, text="no end in sight of this"))


@given(text=st.text("ab .!\n", max_size=30), more=st.text("ab .!\n", max_size=5))
def test_once_a_sentence_has_ended_it_stays_so(text, more):
    assert not sentence_ended(text) or sentence_ended(text + more)


def test_a_prefix_is_held_then_released_or_escalated_at_the_point():
    chosen = committing()
    ask = asked(chosen)
    assert prefix(chosen, ask, said(0.1, 0.1)) is HOLD
    assert prefix(chosen, ask, said(0.8, 0.8, 0.8)) == Release(pytest.approx(0.2), 0.25, 3)
    assert prefix(chosen, ask, said(0.7, 0.7, 0.7)) == Escalate(pytest.approx(0.3), 0.25, 3, early=False)


def test_a_running_score_over_abort_escalates_early():
    chosen = committing(CommitRule(CommitPoint(8), 0.25, abort=0.6, abort_from=2))
    ask = asked(chosen)
    assert prefix(chosen, ask, said(0.1)) is HOLD
    assert prefix(chosen, ask, said(0.1, 0.1)) == Escalate(pytest.approx(0.9), 0.6, 2, early=True)
    assert prefix(chosen, ask, said(0.5, 0.5)) is HOLD


def test_what_cannot_be_scored_is_held():
    chosen = committing()
    assert prefix(chosen, asked(chosen), said()) is HOLD
    assert prefix(chosen, asked(chosen), said(float("nan"), 0.5, 0.5)) is HOLD


@given(token_probs=probs)
def test_without_thresholds_nothing_is_ever_decided(token_probs):
    chosen = committing(CommitRule(CommitPoint(1), None))
    assert prefix(chosen, asked(chosen), Prefix("", token_probs)) is HOLD


@given(token_probs=probs)
def test_a_threshold_of_one_releases_everything_at_the_point(token_probs):
    chosen = committing(CommitRule(CommitPoint(3), 1.0))
    verdict = prefix(chosen, asked(chosen), Prefix("", token_probs))
    assert isinstance(verdict, Release if len(token_probs) >= 3 else Hold)


@given(token_probs=probs, low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_larger_threshold_releases_what_a_smaller_one_does(token_probs, low, high):
    small, large = sorted((low, high))
    verdicts = [
        prefix(chosen, asked(chosen), Prefix("", token_probs))
        for chosen in (committing(CommitRule(CommitPoint(1), limit)) for limit in (small, large))
    ]
    assert isinstance(verdicts[1], Release) or isinstance(verdicts[0], Escalate)


def test_a_cancelled_call_escalates_and_its_text_is_never_the_answer():
    chosen = committing()
    ask = asked(chosen)
    after = cancelled(chosen, ask, answer("small", 0.0), Escalate(0.4, 0.25, 3, early=False))
    assert isinstance(after, Ask)
    assert after.tier == "mid"
    done = advance(chosen, after, answer("mid", 0.1))
    assert isinstance(done, Done)
    assert [(s.answer.tier, s.cancelled, s.accepted) for s in done.trace.steps] == [
        ("small", True, False),
        ("mid", False, True),
    ]
    assert done.trace.steps[0].score is None
    assert done.trace.steps[0].commit.score == 0.4


def test_a_released_answer_is_returned_with_its_whole_score_on_record():
    chosen = committing()
    done = released(chosen, asked(chosen), answer("small", 0.9), Release(0.2, 0.25, 3))
    (step,) = done.trace.steps
    assert (step.accepted, step.cancelled, step.score) == (True, False, pytest.approx(0.9))
    assert done.trace.answer.tier == "small"


def test_the_cancelled_tier_is_not_called_again():
    chosen = committing(tier="mid", inner=thresholds({"small": 0.0, "mid": 0.6}))
    ask = advance(chosen, asked(chosen), answer("small", 0.5))
    assert ask.tier == "mid"
    assert cancelled(chosen, ask, answer("mid", 0.1), Escalate(0.4, 0.25, 3, early=True)).tier == "top"


def test_another_tiers_prefix_or_answer_is_an_illegal_move():
    chosen = committing()
    with pytest.raises(IllegalMove):
        cancelled(chosen, asked(chosen), answer("mid", 0.1), Escalate(0.4, 0.25, 3, early=False))
    with pytest.raises(IllegalMove):
        released(chosen, asked(chosen), answer("mid", 0.1), Release(0.1, 0.25, 3))


def test_the_top_tier_has_no_commit_rule_and_a_point_has_a_token():
    with pytest.raises(SettingsError, match="cheap tier"):
        Committing(INNER, TIERS, {"intent": {"top": RULE}})
    with pytest.raises(SettingsError, match="1 token"):
        CommitPoint(0)


def test_a_commit_rule_is_part_of_the_version_and_of_what_is_proved():
    plain, with_rule = policy(INNER), committing()
    other = committing(CommitRule(CommitPoint(4), 0.25))
    assert len({plain.version, with_rule.version, other.version}) == 3
    assert len({one.proved_for().router for one in (plain, with_rule, other)}) == 3


@pytest.mark.parametrize("rule", [RULE, CommitRule(CommitPoint(9, sentence=True), None, abort=0.5, abort_from=2)])
def test_it_is_stored_and_built_again(rule):
    given_rule = Committing(INNER, TIERS, {"intent": {"small": rule}})
    parts = given_rule.parts()
    assert STOP_RULES[parts.kind](parts) == given_rule
