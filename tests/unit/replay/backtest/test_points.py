from __future__ import annotations

import numpy as np
import pytest
from tests.unit.replay.backtest.recorded_world import with_quality, world

from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.points import measure_run
from routenlp.replay.backtest.rows import Run

ROWS = world(400)


def always(tier: int) -> Run:
    called = np.zeros((ROWS.n, 3), dtype=bool)
    called[:, tier] = True
    return Run(np.full(ROWS.n, tier), called)


def test_always_top_costs_and_keeps_everything():
    point = measure_run(always(2), ROWS, Target())
    for ratio in (point.quality_ratio, point.cost_ratio):
        assert (ratio.estimate, ratio.low, ratio.high) == (1.0, 1.0, 1.0)
    assert point.escalated == 0.0
    assert point.p_accepted_and_failed.estimate == 0.0
    assert point.p_failed_given_accepted.estimate is None


def test_always_cheap_fails_as_often_as_the_cheap_tier_does():
    point = measure_run(always(0), ROWS, Target())
    failed = float(np.mean(ROWS.quality[:, 0] < 1.0))
    assert point.p_accepted_and_failed.estimate == pytest.approx(failed)
    assert point.p_failed_given_accepted.estimate == pytest.approx(failed)
    assert point.cost_ratio.estimate == pytest.approx(ROWS.cost_usd[:, 0].sum() / ROWS.cost_usd[:, 2].sum())


def test_every_tier_called_is_paid_and_counts_as_an_escalation():
    run = Run(np.full(ROWS.n, 2), np.ones((ROWS.n, 3), dtype=bool))
    point = measure_run(run, ROWS, Target())
    assert point.escalated == 1.0
    assert point.cost_ratio.estimate == pytest.approx(ROWS.cost_usd.sum() / ROWS.cost_usd[:, 2].sum())


def test_intervals_hold_their_estimates():
    point = measure_run(always(1), ROWS, Target())
    for value in (point.quality_ratio, point.cost_ratio, point.p_accepted_and_failed, point.p_failed_given_accepted):
        assert value.low <= value.estimate <= value.high


def test_handled_at_says_what_has_failed():
    graded = with_quality(ROWS, np.full((ROWS.n, 3), 0.6))
    assert measure_run(always(0), graded, Target(handled_at=0.5)).p_accepted_and_failed.estimate == 0.0
    assert measure_run(always(0), graded, Target(handled_at=0.7)).p_accepted_and_failed.estimate == 1.0


def test_a_top_tier_without_any_quality_leaves_the_ratio_unknown():
    nothing = with_quality(ROWS, np.zeros((ROWS.n, 3)))
    assert measure_run(always(0), nothing, Target()).quality_ratio.estimate is None
