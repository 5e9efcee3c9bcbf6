"""Strengths by features, from preferences alone and beside graded outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.errors import TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.router.strengths import TierStrengths
from routenlp.training.preference_fit import FittedStrengths, fit_preferences

N, D, K = 400, 6, 3
LOW, HIGH = np.zeros(K), np.ones(K)


class World:
    """Queries whose tiers have known strengths, linear in the features."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.features = rng.normal(size=(N, D)).astype(np.float32)
        self.task = rng.integers(0, 2, N)
        slope = rng.normal(size=(D, K))
        self.truth = (
            self.features @ slope + np.array([-1.0, 0.0, 1.0]) + np.where(self.task[:, None] == 1, [1, 0, 0], 0)
        )
        self.groups = np.arange(N)
        self.quality = (rng.random((N, K)) < 1 / (1 + np.exp(-self.truth))).astype(np.float64)
        row, first = np.arange(N), rng.integers(0, K, N)
        second = (first + rng.integers(1, K, N)) % K
        lead = self.truth[row, first] - self.truth[row, second]
        share = (rng.random(N) < 1 / (1 + np.exp(-lead))).astype(np.float64)
        self.pairs = PreferencePairs(row, first, second, share, np.ones(N))

    def fit(self, pairs: PreferencePairs, **options: object) -> FittedStrengths:
        options = {"tasks": 2, "seed": 0, "low": LOW, "high": HIGH} | options
        return fit_preferences(self.features, self.task, pairs, self.groups, **options)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


NO_PAIRS = PreferencePairs(*(np.zeros(0, dtype=np.int64),) * 3, np.zeros(0), np.zeros(0))


def order_agrees(held_out: np.ndarray, truth: np.ndarray) -> float:
    return float((held_out.argmax(axis=1) == truth.argmax(axis=1)).mean())


def test_preferences_alone_put_unseen_queries_in_order(world: World) -> None:
    assert order_agrees(world.fit(world.pairs).held_out, world.truth) > 0.7


def test_preferences_alone_have_mean_strength_zero(world: World) -> None:
    z = world.fit(world.pairs).model.logits(world.features, world.task)
    assert np.abs(z.mean(axis=1)).max() < 1e-3


def test_beside_few_graded_outcomes_preferences_help(world: World) -> None:
    few = np.full((N, K), np.nan)
    few[:60] = world.quality[:60]
    alone = world.fit(NO_PAIRS, graded=few).held_out[60:]
    both = world.fit(world.pairs, graded=few).held_out[60:]
    assert log_loss(both, world.quality[60:]) < log_loss(alone, world.quality[60:])


def log_loss(p: np.ndarray, q: np.ndarray) -> float:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(q * np.log(p) + (1 - q) * np.log(1 - p)).mean())


def test_graded_outcomes_alone_give_their_level(world: World) -> None:
    found = world.fit(NO_PAIRS, graded=world.quality).held_out
    np.testing.assert_allclose(found.mean(axis=0), world.quality.mean(axis=0), atol=0.03)


def test_the_weight_of_preferences_counts(world: World) -> None:
    light = world.fit(world.pairs, graded=world.quality, pair_weight=1e-9).held_out
    none = world.fit(NO_PAIRS, graded=world.quality).held_out
    np.testing.assert_allclose(light, none, atol=5e-3)


def test_a_circle_neither_crashes_nor_diverges(world: World) -> None:
    row = np.repeat(np.arange(N), 3)
    first = np.tile([0, 1, 2], N)
    circle = PreferencePairs(row, first, (first + 1) % 3, np.ones(3 * N), np.full(3 * N, 1e3))
    found = world.fit(circle).held_out
    np.testing.assert_allclose(found, 0.5, atol=1e-3)


def test_only_ties_make_tiers_equal(world: World) -> None:
    ties = PreferencePairs(world.pairs.row, world.pairs.first, world.pairs.second, np.full(N, 0.5), world.pairs.weight)
    np.testing.assert_allclose(world.fit(ties).held_out, 0.5, atol=1e-3)


def test_preferences_that_separate_the_tiers_stay_finite(world: World) -> None:
    always = PreferencePairs(np.arange(N), np.full(N, 2), np.arange(N) % 2, np.ones(N), np.ones(N))
    found = world.fit(always)
    assert np.isfinite(found.model.weights).all()
    assert (found.held_out[:, 2] > found.held_out[:, 0]).all()


def test_the_same_seed_gives_the_same_bytes(world: World) -> None:
    one, two = (world.fit(world.pairs, graded=world.quality) for _ in range(2))
    assert one.held_out.tobytes() == two.held_out.tobytes()
    assert {k: v.tobytes() for k, v in one.model.parts().arrays.items()} == {
        k: v.tobytes() for k, v in two.model.parts().arrays.items()
    }


def test_strengths_come_back_from_storage(world: World) -> None:
    model = world.fit(world.pairs).model
    back = TierStrengths.from_parts(model.parts())
    estimates = (m.estimate(world.features, world.task) for m in (model, back))
    np.testing.assert_array_equal(*estimates)


def test_a_task_beyond_the_fitted_ones_is_estimated(world: World) -> None:
    found = world.fit(world.pairs).model.estimate(world.features[:3], np.array([7, -1, 0]))
    assert np.isfinite(found).all()


def test_estimates_keep_their_bounds(world: World) -> None:
    found = world.fit(world.pairs, low=np.full(K, 0.4), high=np.full(K, 0.6))
    assert found.held_out.min() == 0.4
    assert found.model.estimate(world.features, world.task).max() == 0.6


def test_nothing_to_fit_is_refused(world: World) -> None:
    with pytest.raises(TrainingError, match="has 0 rows with a preference or a graded outcome"):
        world.fit(NO_PAIRS)


def test_one_group_is_refused(world: World) -> None:
    with pytest.raises(TrainingError, match="all lie in one group"):
        fit_preferences(
            world.features, world.task, world.pairs, np.zeros(N, dtype=np.int64), tasks=2, seed=0, low=LOW, high=HIGH
        )


def test_a_preference_beyond_the_rows_is_refused(world: World) -> None:
    beyond = PreferencePairs(np.array([N]), np.array([0]), np.array([1]), np.ones(1), np.ones(1))
    with pytest.raises(TrainingError, match="Index them again"):
        world.fit(beyond)
