"""The loss by its definition: each term against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.training.paper_network.worlds import GOALS

from routenlp.grading.preferences import PreferencePairs
from routenlp.training.paper_network.labels import make_labels
from routenlp.training.paper_network.settings import PaperNetworkSettings

torch = pytest.importorskip("torch")

from routenlp.training.paper_network.loss import Loss  # noqa: E402 - needs torch

N = 6
RANDOM = np.random.default_rng(0)
QUALITY = np.array([[0, 0, 1], [1, 1, 1], [0.2, 0.6, 0.4], [0, 0, 0], [np.nan, 1, np.nan], [np.nan] * 3])
TASK = np.arange(N) % 3
PAIRS = PreferencePairs(
    np.array([0, 0, 5]), np.array([0, 1, 2]), np.array([2, 2, 0]), np.array([0.0, 0.5, 1.0]), np.array([1.0, 2.0, 1.0])
)
LOGITS = RANDOM.normal(size=(N, 3))
SHARE = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def value(**weights: float) -> float:
    zeros = {"quality": 0.0, "route": 0.0, "cost": 0.0, "hinge": 0.0, "preferences": 0.0}
    settings = PaperNetworkSettings(**(zeros | {"preferences": 1e-12} | weights))
    loss = Loss.of(make_labels(QUALITY, TASK, PAIRS, GOALS, settings), settings)
    rows = torch.arange(N)
    return float(loss(torch.tensor(LOGITS, dtype=torch.float32), rows, rows))


def test_quality_is_the_mean_cross_entropy_of_what_was_graded() -> None:
    p, known = 1 / (1 + np.exp(-LOGITS)), ~np.isnan(QUALITY)
    entropy = -(QUALITY * np.log(p) + (1 - QUALITY) * np.log(1 - p))
    assert value(quality=1.0) == pytest.approx(entropy[known].mean(), abs=1e-5)


def test_route_is_the_cross_entropy_of_the_cheapest_tier_that_will_do() -> None:
    labels = [2, 0, 1, 2]  # the last two rows leave it open
    assert value(route=1.0) == pytest.approx(-np.log(SHARE[range(4), labels]).mean(), abs=1e-5)


def test_cost_is_the_expected_price() -> None:
    assert value(cost=1.0) == pytest.approx((SHARE @ [0.1, 0.2, 1.0]).mean(), abs=1e-5)


def test_hinge_is_the_shortfall_of_the_expected_quality() -> None:
    expected = (SHARE[:4] * QUALITY[:4]).sum(axis=1)
    assert value(hinge=1.0) == pytest.approx(np.maximum(0.5 - expected, 0).mean(), abs=1e-5)


def test_preferences_are_bradley_terry_with_ties_as_half_wins() -> None:
    def lost(row: int, winner: int, loser: int) -> float:
        return float(np.log1p(np.exp(LOGITS[row, loser] - LOGITS[row, winner])))

    total = lost(0, 2, 0) + 2 * (lost(0, 1, 2) + lost(0, 2, 1)) / 2 + lost(5, 2, 0)
    assert value(preferences=1.0) == pytest.approx(total / 4, abs=1e-5)


def test_the_papers_loss_is_the_weighted_sum() -> None:
    parts = value(route=1.0) + 0.3 * value(cost=1.0) + 0.5 * value(hinge=1.0) + value(preferences=1.0)
    assert value(route=1.0, cost=0.3, hinge=0.5, preferences=1.0) == pytest.approx(parts, abs=1e-5)


def test_the_mean_over_batches_is_the_loss_of_all() -> None:
    settings = PaperNetworkSettings.paper(quality=1.0)
    loss = Loss.of(make_labels(QUALITY, TASK, PAIRS, GOALS, settings), settings)
    logits, every = torch.tensor(LOGITS, dtype=torch.float32), torch.arange(N)
    batches = [float(loss(logits[at], at, every)) for at in every.split(2)]
    assert np.mean(batches) == pytest.approx(float(loss(logits, every, every)), abs=1e-5)
