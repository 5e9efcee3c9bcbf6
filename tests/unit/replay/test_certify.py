"""Certifying a cascade: the ladder is fixed on training rows, and what is deployed keeps its target on new rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit import worlds

from routenlp.conformal.verdict import Status
from routenlp.replay.calibrate import CalibrationRows, limits_of
from routenlp.replay.cascade import replay
from routenlp.replay.certify import certify, fix_ladder
from routenlp.router.pre_router import first_positions


def world(seed: int, n: int, *, noise: float = 0.1) -> CalibrationRows:
    rng = np.random.default_rng(seed)
    hard = rng.random(n)
    quality = np.stack([hard < 0.7, hard < 0.9, np.ones(n)], axis=1).astype(float)
    score = np.clip(np.stack([hard, hard], axis=1) + rng.normal(0, noise, (n, 2)), 0, 1)
    estimates = np.tile([0.7, 0.9, 1.0], (n, 1))
    return CalibrationRows(worlds.recorded(quality, np.column_stack([score, np.full(n, np.nan)])), estimates)


LADDER = fix_ladder(world(0, 2_000))
FRESH = world(1, 20_000)


def deployed(calibrate: CalibrationRows):
    return certify(LADDER, calibrate, calibrate.recorded.groups, eps=0.05, delta=0.1, seed=0)


def test_the_ladder_grows_bolder_step_by_step():
    costs = [s.cost_ratio for s in LADDER]
    assert costs == sorted(costs, reverse=True)
    assert len(LADDER) > 10


def test_what_is_certified_keeps_its_target_on_fresh_rows_and_saves():
    """At most delta of the draws may miss; of 60, more than 13 would be one in a thousand."""
    missed = 0
    for seed in range(60):
        found = deployed(world(100 + seed, 600))
        assert found.verdict.status is Status.CERTIFIED
        assert found.setting is not None
        done = replay(
            FRESH.recorded, first_positions(FRESH.estimates, found.setting.cutoff), limits_of(found.setting.thresholds)
        )
        missed += done.quality.mean() < 0.95
        assert done.cost_usd.sum() < 0.6 * FRESH.recorded.cost_usd[:, -1].sum()
    assert missed <= 13


def test_too_few_rows_prove_nothing_and_the_top_tier_serves():
    found = deployed(world(7, 30))
    assert (found.verdict.selected, found.setting, found.verdict.status) == (0, None, Status.UNCERTIFIED)


def test_cheap_tiers_that_never_help_leave_an_empty_ladder():
    bad = CalibrationRows(worlds.recorded([[0.0, 0.0, 1.0]] * 50, [[0.5, 0.5, np.nan]] * 50), np.full((50, 3), 0.5))
    ladder = fix_ladder(bad)
    assert all(s.quality_ratio >= 0.93 for s in ladder)
    found = certify(ladder, bad, bad.recorded.groups, eps=0.03, delta=0.1, seed=0)
    assert found.setting is None


@pytest.mark.parametrize("groups", [5, 20])
def test_few_groups_are_empirical_at_most(groups):
    rows = world(3, 400)
    few = replace(rows.recorded, groups=tuple(f"g{i % groups}" for i in range(400)))
    found = certify(LADDER, CalibrationRows(few, rows.estimates), few.groups, eps=0.05, delta=0.1, seed=0)
    assert found.verdict.status in (Status.EMPIRICAL, Status.UNCERTIFIED)
