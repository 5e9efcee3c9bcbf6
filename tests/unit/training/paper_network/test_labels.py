"""What the network is taught."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.errors import SettingsError, TrainingError
from routenlp.training.paper_network.labels import Goals, cheapest_tier, make_labels
from routenlp.training.paper_network.settings import PaperNetworkSettings

X = np.nan
PAPER = PaperNetworkSettings.paper()
GOALS = Goals(np.array([0.5]), np.array([1.0, 2.0, 8.0]))


@pytest.mark.parametrize(
    ("qualities", "expected"),
    [
        ([1.0, 1.0, 1.0], 0),
        ([0.4, 0.5, 1.0], 1),
        ([0.0, 0.0, 1.0], 2),
        ([0.0, 0.0, 0.0], 2),
        ([1.0, X, X], 0),
        ([0.0, 1.0, X], 1),
        ([X, 1.0, 1.0], -1),
        ([0.0, X, 1.0], -1),
        ([0.0, 0.0, X], -1),
        ([X, X, X], -1),
    ],
)
def test_the_label_is_the_cheapest_tier_that_will_do(qualities: list[float], expected: int) -> None:
    row = np.array([qualities])
    assert cheapest_tier(np.nan_to_num(row), ~np.isnan(row), np.array([0.5])).tolist() == [expected]


def test_prices_are_shares_of_the_dearest_and_targets_the_tasks() -> None:
    labels = make_labels(np.ones((2, 3)), np.zeros(2, dtype=np.int64), None, GOALS, PAPER)
    assert labels.price.tolist() == [0.125, 0.25, 1.0]
    assert labels.target.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("goals", "error", "message"),
    [
        (Goals(price=GOALS.price), SettingsError, "target: is not given"),
        (Goals(GOALS.target), SettingsError, "price: is not given"),
        (Goals(GOALS.target, np.array([0.0, 1.0, 2.0])), SettingsError, "positive price for each of 3 tiers"),
        (Goals(GOALS.target, np.array([1.0, 2.0])), SettingsError, "positive price for each of 3 tiers"),
    ],
)
def test_what_the_loss_lacks_is_named(goals: Goals, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make_labels(np.ones((2, 3)), np.zeros(2, dtype=np.int64), None, goals, PAPER)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (PaperNetworkSettings(), "no graded outcome"),
        (PAPER, "no row says which tier"),
        (PaperNetworkSettings(quality=0.0), "no preference pair"),
    ],
)
def test_a_term_with_nothing_to_learn_from_is_refused(settings: PaperNetworkSettings, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make_labels(np.full((2, 3), X), np.zeros(2, dtype=np.int64), None, GOALS, settings)
