"""What every stop rule promises the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.worlds import TIERS, answer, policy, thresholds

from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing
from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.machine import Ask, advance, start
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.stop_rules import FirstAnswer
from routenlp.store.policies import STOP_RULES
from routenlp.types import Call, Query, Route, Stop

COMMIT = CommitRule(CommitPoint(8), 0.3)
RULES = {
    "first answer": FirstAnswer(),
    "no thresholds": thresholds({}),
    "thresholds": thresholds({"small": 0.3, "mid": 0.6}),
    "accept all": thresholds({"small": 1.0, "mid": 1.0}),
    "per task": RulePerTask({"intent": thresholds({"small": 0.3, "mid": 0.6})}, "top"),
    "first by router": FirstByRouter(thresholds({"small": 0.3, "mid": 0.6})),
    "committing": Committing(thresholds({"small": 0.3, "mid": 0.6}), TIERS, {"intent": {"small": COMMIT}}),
}
any_score = st.one_of(st.none(), st.floats(0, 1))


every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


@every_rule
@given(first=st.sampled_from(TIERS), scores=st.lists(any_score, min_size=3, max_size=3))
def test_it_calls_first_then_climbs_and_stops_with_an_answer_it_was_given(rule, first, scores):
    route = Route("intent", first, (), "")
    assert rule.next(route, ()) == Call(first, "")
    chosen = policy(rule, first=first)
    state = start(chosen, Query("q", "intent", "text"))
    steps = 0
    while isinstance(state, Ask):
        steps += 1
        state = advance(chosen, state, answer(state.tier, scores[TIERS.index(state.tier)]))
    assert steps <= len(TIERS)
    assert sum(s.accepted for s in state.trace.steps) == 1


@every_rule
def test_the_top_tier_always_stops(rule):
    chosen = policy(rule, first="top")
    ask = start(chosen, Query("q", "intent", "text"))
    assert advance(chosen, ask, answer("top", None)).trace.answer.tier == "top"


@every_rule
def test_it_is_pure(rule):
    route = Route("intent", "small", (), "")
    first = rule.next(route, ())
    assert isinstance(first, Call | Stop)
    assert rule.next(route, ()) == first


@every_rule
def test_it_comes_back_from_its_parts(rule):
    parts = rule.parts()
    assert STOP_RULES[parts.kind](parts) == rule


def test_a_task_without_a_rule_of_its_own_is_answered_by_the_top_tier():
    rule = RulePerTask({"risk": FirstAnswer()}, "top")
    done = policy(rule, first="small")
    ask = start(done, Query("q", "intent", "text"))
    assert ask.tier == "top"
    assert advance(done, ask, answer("top", None)).trace.answer.tier == "top"
