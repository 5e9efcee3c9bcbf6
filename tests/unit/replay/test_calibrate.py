"""The sweep finds what trying every setting finds, and keeps the target on the rows it saw."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import worlds

from routenlp.conformal.paper import paper_threshold
from routenlp.errors import DataError, FoldOverlap
from routenlp.replay import calibrate
from routenlp.replay.calibrate import CalibrationRows, calibration_rows, candidate_cutoffs, cheapest, published
from routenlp.replay.cascade import replay
from routenlp.replay.folds import row_hash
from routenlp.router.pre_router import first_positions
from routenlp.types import CalibrationFold, Example, Query, TrainingFold


def world(seed: int, n: int = 60) -> CalibrationRows:
    rng = np.random.default_rng(seed)
    hard = rng.random(n)
    quality = np.stack([hard < 0.6, hard < 0.85, np.ones(n)], axis=1).astype(float)
    noise = rng.normal(0, 0.15, (n, 2))
    score = np.clip(np.stack([hard, hard * 0.8], axis=1) + noise, 0, 1)
    estimates = np.stack([1 - hard, 1 - hard * 0.5, np.ones(n)], axis=1)
    return CalibrationRows(worlds.recorded(quality, np.column_stack([score, np.full(n, np.nan)])), estimates)


def brute_force(rows: CalibrationRows, cutoffs, target: float) -> float:
    recorded, best = rows.recorded, 1.0
    options = [
        [paper_threshold(recorded.score[:, k], recorded.handled[:, k], a).threshold for a in calibrate.ALPHAS]
        for k in range(2)
    ]
    for cutoff, small, mid in itertools.product(cutoffs, *options):
        limits = np.array([np.nan if t is None else t for t in (small, mid, None)])
        done = replay(recorded, first_positions(rows.estimates, cutoff), limits)
        if done.quality.sum() / recorded.quality[:, -1].sum() >= target:
            best = min(best, done.cost_usd.sum() / recorded.cost_usd[:, -1].sum())
    return best


@pytest.mark.parametrize("seed", range(3))
def test_the_sweep_finds_the_least_cost_of_all_combinations(seed, monkeypatch):
    monkeypatch.setattr(calibrate, "ALPHAS", (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0))
    rows = world(seed)
    cutoffs = [None, 0.0, 0.5]
    found = cheapest(rows, cutoffs, 0.95)
    assert found.cost_ratio == pytest.approx(brute_force(rows, cutoffs, 0.95))
    assert found.quality_ratio >= 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 1.0))
def test_the_setting_reports_what_replaying_it_gives(seed, target):
    rows = world(seed)
    found = cheapest(rows, [0.0], target)
    limits = np.array([np.nan if t.threshold is None else t.threshold for t in (*found.thresholds,)] + [np.nan])
    done = replay(rows.recorded, first_positions(rows.estimates, found.cutoff), limits)
    assert found.quality_ratio == pytest.approx(done.quality.sum() / rows.recorded.quality[:, -1].sum())
    assert found.cost_ratio == pytest.approx(done.cost_usd.sum() / rows.recorded.cost_usd[:, -1].sum())


def test_where_cheap_tiers_never_help_the_answer_is_always_top():
    made = worlds.recorded([[0.0, 0.0, 1.0]] * 30, [[0.1, 0.1, np.nan]] * 30)
    rows = CalibrationRows(made, np.tile([0.9, 0.9, 1.0], (30, 1)))
    found = cheapest(rows, candidate_cutoffs(rows), 0.97)
    assert (found.cutoff, found.cost_ratio, found.quality_ratio) == (None, 1.0, 1.0)


def test_the_published_rule_uses_one_alpha_for_every_cheap_tier():
    found = published(world(0, 200), 0.0, 0.05)
    assert [t.alpha for t in found.thresholds] == [0.05, 0.05]
    assert all(t.promise_given for t in found.thresholds)


def test_only_a_calibration_fold_with_exactly_these_rows_is_taken():
    rows = world(0, 3)
    examples = tuple(Example(Query(f"q{i}", "intent", "t"), "a", f"q{i}") for i in range(3))
    kept = calibration_rows(CalibrationFold("intent", examples), rows.recorded, rows.estimates, trained_on=())
    assert kept.recorded is rows.recorded
    seen = {row_hash(Example(Query("another id", "intent", "t"), "b", "g"))}
    with pytest.raises(FoldOverlap, match="'q0' was trained on"):
        calibration_rows(CalibrationFold("intent", examples), rows.recorded, rows.estimates, trained_on=seen)
    with pytest.raises(DataError, match="TrainingFold"):
        calibration_rows(TrainingFold("intent", examples), rows.recorded, rows.estimates, trained_on=())  # type: ignore[arg-type]
    with pytest.raises(DataError, match="other rows"):
        calibration_rows(CalibrationFold("intent", examples[:2]), rows.recorded, rows.estimates, trained_on=())
