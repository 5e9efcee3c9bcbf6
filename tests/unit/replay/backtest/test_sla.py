"""A ladder under limits of latency: fewer late answers, each task by its own nu, and always-top untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.outcomes_world import world

from routenlp.cascade.decision import Reach
from routenlp.replay.backtest.ladder import ladder_of, training_rows
from routenlp.replay.backtest.sla import Sla, late_by_task
from routenlp.training.continuation import fit_continuation_rule

MEDIAN_S = np.array([0.05, 0.2, 0.8])
LIMITS = Sla({"task0": 1.2}, late_share=0.05)


def slow(n, seed):
    rows = world(n, seed)
    spread = np.random.default_rng(seed + 100).lognormal(0.0, 0.35, (n, 3))
    return replace(rows, latency_s=MEDIAN_S * spread)


@pytest.fixture(scope="module")
def ladders():
    train = slow(600, 0)
    fitted = fit_continuation_rule(training_rows(train), seed=0)
    return {
        sla: ladder_of(fitted, train, Reach.DEARER, seed=0, sla=given) for sla, given in (("", None), ("sla", LIMITS))
    }


def shares(ladder, rows):
    limit_s = np.array([1.2, 1.2])
    return np.stack([late_by_task(ladder.run(rows, step), rows, limit_s) for step in range(ladder.size)])


def test_always_top_pays_no_heed_to_limits(ladders):
    rows = slow(500, 1)
    run = ladders["sla"].run(rows, 0)
    assert (run.final == 2).all()
    assert run.called.sum() == 500


def test_a_limit_makes_late_answers_rarer_on_unseen_rows(ladders):
    rows = slow(3000, 1)
    without, with_limit = (shares(ladder, rows)[1:, 0].max() for ladder in ladders.values())
    assert without > 0.1
    assert with_limit < 0.08  # 0.05 was asked for on the training rows


def test_a_limit_leaves_policies_between_always_top_and_never_top(ladders):
    rows = slow(1000, 1)
    at_top = [float((ladders["sla"].run(rows, step).final == 2)[rows.task == 0].mean()) for step in range(1, 6)]
    assert max(at_top) > 0.2


def test_a_task_without_a_limit_has_no_nu_and_decides_as_before(ladders):
    for utility in ladders["sla"].utilities[1:]:
        assert utility.deadlines.nu[1] == 0.0
        assert utility.deadlines.limit_s.tolist() == [1.2, np.inf]


def test_a_limit_that_all_tiers_keep_changes_no_policy():
    train = slow(300, 2)
    fitted = fit_continuation_rule(training_rows(train), seed=0)
    easy = ladder_of(fitted, train, Reach.DEARER, seed=0, sla=Sla({"task0": 60.0, "task1": 60.0}))
    free = ladder_of(fitted, train, Reach.DEARER, seed=0)
    assert easy.size == free.size
    for step in range(free.size):
        assert np.array_equal(easy.run(train, step).called, free.run(train, step).called)


def test_latencies_that_nobody_recorded_change_no_policy():
    train = world(300, 2)
    fitted = fit_continuation_rule(training_rows(train), seed=0)
    blind = ladder_of(fitted, train, Reach.DEARER, seed=0, sla=Sla({"task0": 0.001}))
    free = ladder_of(fitted, train, Reach.DEARER, seed=0)
    assert [u.price for u in blind.utilities] == [u.price for u in free.utilities]
    assert np.array_equal(blind.run(train, 3).called, free.run(train, 3).called)
