"""Weights of the loss, and values that are refused."""

from __future__ import annotations

import pytest

from routenlp.errors import SettingsError
from routenlp.training.paper_network.settings import PaperNetworkSettings


def weights(settings: PaperNetworkSettings) -> tuple[float, ...]:
    return settings.quality, settings.route, settings.cost, settings.hinge


def test_the_default_fits_qualities() -> None:
    assert weights(PaperNetworkSettings()) == (1.0, 0.0, 0.0, 0.0)
    assert PaperNetworkSettings().graded


def test_the_papers_weights() -> None:
    assert weights(PaperNetworkSettings.paper()) == (0.0, 1.0, 0.3, 0.5)
    assert not PaperNetworkSettings.paper().graded


@pytest.mark.parametrize("change", [{"cost": 0.0}, {"hinge": 0.0}, {"preferences": 0.0}, {"task_embedding": False}])
def test_an_ablation_is_one_argument(change: dict[str, float]) -> None:
    whole, less = PaperNetworkSettings.paper(), PaperNetworkSettings.paper(**change)
    names = PaperNetworkSettings.__dataclass_fields__
    assert [name for name in names if getattr(whole, name) != getattr(less, name)] == list(change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost": -0.1}, "cost: is -0.1"),
        ({"hinge": float("nan")}, "hinge: is nan"),
        ({"quality": 0.0, "preferences": 0.0}, "are all 0"),
        ({"epochs": 0}, "epochs: is 0"),
    ],
)
def test_bad_values_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        PaperNetworkSettings(**change)
