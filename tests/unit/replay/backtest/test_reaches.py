"""Reaches compared: the free rule gains where an answer informs, loses nothing where none does, and says how sure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.outcomes_world import world

from routenlp.cascade.decision import Reach
from routenlp.replay.backtest.ladder import training_rows
from routenlp.replay.backtest.reaches import compare_reaches
from routenlp.replay.backtest.rows import Rows
from routenlp.training.continuation import fit_continuation_rule


def compared(confidence="informative", **changes):
    train, unseen = world(800, 0, confidence=confidence), world(1500, 1, confidence=confidence)
    fitted = fit_continuation_rule(training_rows(train), seed=0)
    return compare_reaches(fitted, train, replace(unseen, **changes), seed=0, draws=60)


@pytest.fixture(scope="module")
def informed():
    return compared()


def test_where_answers_inform_the_free_rule_costs_less_than_the_router_alone(informed):
    assert informed.informs
    assert informed.cost[Reach.DEARER].high < informed.cost[Reach.ONCE].low


def test_its_cost_over_the_better_one_is_what_the_table_gives(informed):
    cost = {reach: found.estimate for reach, found in informed.cost.items()}
    expected = cost[Reach.DEARER] / min(cost[Reach.ONCE], cost[Reach.NEXT])
    assert informed.over_better.estimate == pytest.approx(expected)
    assert informed.over_better.low <= expected <= informed.over_better.high
    assert not informed.loses


def test_the_interval_of_a_comparison_is_narrower_than_those_it_compares(informed):
    """The same rows are drawn for all, so what they share cancels."""
    free = informed.cost[Reach.DEARER]
    alone = (free.high - free.low) / free.estimate
    assert informed.over_better.high - informed.over_better.low < alone


def test_no_rule_costs_less_than_knowing_all_signals_for_nothing(informed):
    assert informed.least_over_better.estimate < informed.over_better.estimate


def test_confidence_that_says_nothing_is_seen_not_to_inform():
    silent = compared("none")
    assert not silent.informs
    assert silent.auroc == (None, None)
    assert not silent.loses


def test_where_only_the_top_tier_is_ever_right_a_cascade_pays_for_every_tier():
    only_top = np.zeros((1500, 3))
    only_top[:, 2] = 1.0
    found = compared(quality=only_top)
    assert found.cost[Reach.ONCE].estimate > 0.9
    assert found.cost[Reach.NEXT].estimate > 1.0


def test_with_groups_whole_groups_are_drawn(informed):
    grouped = compared(groups=np.arange(1500) // 50)
    assert grouped.cost[Reach.DEARER].estimate == informed.cost[Reach.DEARER].estimate
    assert grouped.cost[Reach.DEARER] != informed.cost[Reach.DEARER]


def three_kinds(n: int, seed: int) -> Rows:
    """Queries of three kinds, which the text tells apart; the cheapest tier fails on two in five of each, and knows it.

    What it fails on, one kind is answered by the second tier, one by the third, one by the top alone.
    """
    rng = np.random.default_rng(seed)
    kind, hard = rng.integers(3, size=n), rng.random(n) < 0.4
    right = np.stack([~hard, ~hard | (kind == 0), ~hard | (kind == 1), np.ones(n, bool)], axis=1)
    confidence = np.clip(np.where(right, 0.8, 0.25) + rng.normal(scale=0.12, size=right.shape), 0.0, 1.0)
    return Rows(
        tiers=("small", "second", "third", "top"),
        task_names=("t",),
        task=np.zeros(n, dtype=np.int64),
        features=np.eye(3, dtype=np.float32)[kind],
        quality=right.astype(np.float64),
        cost_usd=np.tile([0.01, 0.3, 0.3, 1.0], (n, 1)),
        confidence=confidence,
        answer_length=np.full(right.shape, 5.0),
        groups=np.arange(n),
    )


def test_where_skipping_tiers_pays_the_free_rule_reaches_what_is_there_to_gain():
    """By hand, with confidences that never err: free (0.13 + 0.13 + 0.41) / 3 - 0.03 x 1.0 = 0.193 at a ratio of 0.97;
    a cascade (0.13 + 0.25 + 0.65) / 3 - 0.03 x 1.6 = 0.295; 0.193 / 0.295 = 0.65. Route-only pays 0.5."""
    train, unseen = three_kinds(1200, 0), three_kinds(3000, 1)
    fitted = fit_continuation_rule(training_rows(train), seed=0)
    found = compare_reaches(fitted, train, unseen, seed=0, draws=40)
    assert found.informs
    assert found.cost[Reach.DEARER].estimate == pytest.approx(0.193, abs=0.02)
    assert found.over_better.estimate == pytest.approx(0.65, abs=0.06)
    assert found.over_better.high < 0.75
    assert found.least_over_better.estimate < found.over_better.estimate
