from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.replay.report.made import audits, traffic

from routenlp.conformal.groups import MIN_GROUPS
from routenlp.replay.report.savings import Measured, Spent, measure, measure_task, spent_on
from routenlp.store.sql.reported import AuditSpend, Traffic

SPENT = Spent(serving_usd=1.0, audits_usd=0.0, judge_usd=0.0, turns=0, turns_usd=0.0)


def measured(came: list[Traffic], drawn: list) -> Measured:
    found = measure_task("intent", came, drawn, seed=0)
    assert found is not None
    return found


def test_always_top_is_the_estimates_and_what_audits_say_they_lack() -> None:
    found = measured([traffic()], audits(40, top_estimate_usd=1.0, top_usd=1.5)).savings
    assert found.top.estimate == pytest.approx(100.0 + 100 * 0.5)
    assert found.saved.estimate == pytest.approx(1.0 - 1.0 / 150.0)
    assert found.token_estimate_usd == 100.0


def test_an_audit_counts_by_the_requests_it_stands_for() -> None:
    rare = audits(40, propensity=0.01, top_usd=2.0)
    common = [replace(a, trace_id=f"c{i}", group=f"c{i}", propensity=0.99) for i, a in enumerate(audits(40))]
    found = measured([traffic()], rare + common).savings
    assert found.top.estimate == pytest.approx(100.0 + 100 * 0.99)


def test_too_few_conversations_leave_savings_unknown() -> None:
    few = [replace(a, group=f"g{i % (MIN_GROUPS - 1)}") for i, a in enumerate(audits(200))]
    found = measured([traffic()], few)
    assert found.savings.top.estimate is None
    assert found.savings.saved.estimate is None
    whole = measure([found], [traffic()], SPENT)
    assert whole.saved_usd.estimate is None
    assert [(o.requests, o.paid_usd) for o in whole.outside] == [(100, 1.0)]


def test_what_the_top_tier_answered_by_rule_saves_nothing_and_needs_no_audit() -> None:
    found = measured([traffic(way="by rule", top_estimate_usd=None, cost_usd=7.0)], []).savings
    assert (found.top.low, found.top.high, found.saved.estimate) == (7.0, 7.0, 0.0)


def test_requests_that_the_client_steered_are_outside_with_what_they_cost() -> None:
    steered = [
        traffic(way=way, covered=False, top_estimate_usd=None, requests=3, cost_usd=2.0) for way in ("named", "off")
    ]
    assert measure_task("intent", steered, [], seed=0) is None
    whole = measure([], steered, SPENT)
    assert [o.requests for o in whole.outside] == [3, 3]
    assert whole.top.estimate is None


def test_audits_judging_and_lessons_are_taken_off_what_was_saved() -> None:
    came = [traffic()]
    spend = [AuditSpend("intent", "tier", 40, 5.0), AuditSpend("intent", "judge", 40, 3.0)]
    spent = spent_on(came, spend, 1, 2.0)
    assert spent.usd == pytest.approx(1.0 + 5.0 + 3.0 + 2.0)
    whole = measure([measured(came, audits(40))], came, spent)
    assert whole.saved_usd.estimate == pytest.approx(100.0 - 11.0)
    assert whole.saved.estimate == pytest.approx(0.89)


def test_a_turn_without_a_plan_leaves_its_cost_unknown() -> None:
    assert spent_on([traffic()], [], 1, None).turns_usd is None


def test_missing_audits_could_lower_the_savings_to_what_is_said() -> None:
    missing = [replace(a, trace_id=f"m{i}", group=f"m{i}", top_usd=None) for i, a in enumerate(audits(10))]
    found = measured([traffic()], audits(40) + missing)
    assert found.savings.unmeasured == 10
    assert found.at_worst_usd == pytest.approx(100.0 - 100 * 10 / 50)
