"""The shadow's verdict: enough seen, running, and its certificates not contradicted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.loop.coverage import Promise
from routenlp.loop.shadow import ShadowDecision, Shadowed, ShadowPlan, judge

FINE = Shadowed("t", "top", 1.0, "small", 0.1, True, False)
PLAN = ShadowPlan(queries=100, audits=0)


def verdict(seen, audits=(), promises=None):
    return judge(seen, audits, promises or {}, PLAN, handled_at={"t": 1.0})


def test_few_queries_wait():
    assert verdict([FINE] * 99).decision is ShadowDecision.WAIT


def test_without_audits_nothing_is_known_of_the_certificates():
    plan = ShadowPlan(queries=100, audits=10)
    few, enough = (judge([FINE] * 100, [compared(lost=np.zeros(n))], {}, plan, handled_at={"t": 1.0}) for n in (9, 10))
    assert (few.decision, enough.decision) == (ShadowDecision.WAIT, ShadowDecision.PASS)


def test_what_runs_and_keeps_its_promise_passes_with_its_figures():
    seen = (
        [FINE] * 80 + [replace(FINE, same=False)] * 10 + [replace(FINE, tier="top", usd=1.1, same=None, top=True)] * 10
    )
    found = verdict(seen, [compared(lost=np.zeros(100))], {"t": Promise("quality_ratio", 0.03, 1.0)})
    assert found.decision is ShadowDecision.PASS
    task = found.tasks[0]
    assert task.same.estimate == pytest.approx(80 / 90)
    assert task.to_top.estimate == pytest.approx(0.1)
    assert task.saved_usd == pytest.approx(1.0 - (0.9 * 0.1 + 0.1 * 1.1))
    assert found.coverage[0].quality_ratio == 1.0


def test_a_candidate_that_fails_is_rejected_even_before_enough_was_seen():
    seen = [FINE] * 40 + [replace(FINE, tier=None, usd=None, same=None)] * 20
    found = verdict(seen)
    assert found.decision is ShadowDecision.REJECT
    assert "failed on 20 of 60" in found.reasons[0]


def test_a_contradicted_certificate_is_a_rejection():
    lost = np.where(np.arange(400) % 5 == 0, 1.0, 0.0)
    found = verdict([FINE] * 200, [compared(lost=lost)], {"t": Promise("quality_ratio", 0.03, 1.0)})
    assert found.decision is ShadowDecision.REJECT
    assert "contradict" in found.reasons[0]


def test_unknown_costs_are_left_out_and_not_taken_for_nothing():
    found = verdict([replace(FINE, usd=None)] * 100)
    assert found.tasks[0].saved_usd is None


def test_the_evidence_is_json():
    found = verdict([FINE] * 3, [compared(lost=np.zeros(4))])
    assert json.loads(json.dumps(found.evidence(), allow_nan=False))["decision"] == "wait"
