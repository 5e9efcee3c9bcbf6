"""From served traces to an evaluation; a propensity that is missing or false is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.cascade.test_continuation import rule
from tests.unit.router.test_learned import ROUTER
from tests.unit.worlds import PORTFOLIO, TASK, TIERS, FixedRouter, answer, thresholds

from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.machine import Ask, advance, start
from routenlp.cascade.policy import Policy
from routenlp.errors import DataError
from routenlp.replay.off_policy import evaluate
from routenlp.replay.off_policy.traces import as_actions, from_traces
from routenlp.router.exploration import Exploration, ExploringRouter
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Query

COST = {"small": 0.1, "mid": 0.3, "top": 1.0}
EXPLORING = ExploringRouter(ROUTER, Exploration(0.5, TIERS), 0)
CASCADE = thresholds({"small": 0.3, "mid": 0.3})
QUERIES = tuple(Query(f"q{i}", "intent", "a" * (1 + i % 9)) for i in range(600))


def served(router=EXPLORING, stop_rule=CASCADE, queries=QUERIES):
    """The small tier is unsure of long texts, so these go on to the middle tier, which never is."""
    policy = Policy(PORTFOLIO, {"intent": TASK}, router, TokenUncertainty(), stop_rule)
    traces = []
    for query in queries:
        state = start(policy, query)
        while isinstance(state, Ask):
            unsure = state.tier == "small" and len(query.text) > 4
            state = advance(policy, state, answer(state.tier, 0.9 if unsure else 0.1, cost_usd=COST[state.tier]))
        traces.append(state.trace)
    return traces


def graded(traces):
    return {t.query.id: {"small": 0.8, "mid": 0.9, "top": 1.0}[t.answer.tier] for t in traces}


def test_a_new_router_is_judged_with_the_escalations_that_follow_it():
    traces = served()
    logged = from_traces(traces, graded(traces), TIERS)
    report = evaluate(logged, as_actions(FixedRouter("small"), QUERIES, TIERS))
    truth = served(FixedRouter("small"))
    cost = np.mean([t.cost_usd for t in truth])
    quality = np.mean(list(graded(truth).values()))
    assert report.cost_ratio.low < cost < report.cost_ratio.high
    assert report.quality_ratio.low < quality < report.quality_ratio.high
    assert logged.estimates is not None


def test_an_exploring_router_is_a_target_too():
    chances = as_actions(EXPLORING, QUERIES, TIERS)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert np.isclose(chances.min(), 0.5 / 3)


def test_a_missing_propensity_is_never_taken_as_one():
    traces = served(ROUTER)
    with pytest.raises(DataError, match="no propensity was logged, as for 600 of 600"):
        from_traces(traces, graded(traces), TIERS)


def test_a_stop_rule_that_overrules_the_router_makes_propensities_false():
    always_top = rule()
    traces = served(stop_rule=always_top)
    with pytest.raises(DataError, match="propensities are false"):
        from_traces(traces, graded(traces), TIERS)
    obeying = served(stop_rule=FirstByRouter(always_top))
    assert {t.tiers[0] for t in obeying} == set(TIERS)
    assert from_traces(obeying, graded(obeying), TIERS).n == 600


def test_what_else_is_refused():
    traces = served()
    quality = graded(traces)
    with pytest.raises(DataError, match="no quality is given"):
        from_traces(traces, {k: v for k, v in quality.items() if k != "q3"}, TIERS)
    with pytest.raises(DataError, match="twice"):
        from_traces([*traces, traces[0]], quality, TIERS)
    with pytest.raises(DataError, match="2 policies"):
        from_traces([replace(traces[0], policy_version="other"), *traces[1:]], quality, TIERS)
    with pytest.raises(DataError, match="lack the tier 'mid'"):
        from_traces(traces, quality, ("small", "top"))


def test_groups_and_tasks_are_numbered():
    traces = served()
    logged = from_traces(traces, graded(traces), TIERS, groups={q.id: q.text for q in QUERIES})
    assert len(np.unique(logged.groups)) == 9
    assert logged.tasks == 1
