"""The network on a frozen encoder's vectors."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tests.unit.training.paper_network.worlds import World, make_world

from routenlp.errors import SettingsError, TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.training.paper_network.fit import FittedNetwork, fit_paper_network
from routenlp.training.paper_network.settings import PaperNetworkSettings

torch = pytest.importorskip("torch")

QUICK = {"epochs": 6, "batch": 32, "rate": 1e-2, "decay": 0.1, "own_decay": 1.0}
PAPER = PaperNetworkSettings.paper(**QUICK)
GRADED = PaperNetworkSettings(**QUICK)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def fit(world: World, settings: PaperNetworkSettings, **change: object) -> FittedNetwork:
    arguments = {"targets": world.quality, "groups": np.arange(len(world.task)), "settings": settings} | change
    return fit_paper_network(world.features, world.task, **world.arguments(), **arguments)


def log_loss(p: np.ndarray, q: np.ndarray) -> float:
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(q * np.log(p) + (1 - q) * np.log(1 - p)).mean())


def test_it_learns_qualities_of_unseen_rows(world: World) -> None:
    found = fit(world, GRADED).held_out
    means = np.stack([world.quality[world.task == t].mean(axis=0) for t in range(3)])[world.task]
    assert log_loss(found, world.quality) < log_loss(means, world.quality) - 0.02


def test_the_papers_loss_finds_the_cheapest_tier_that_will_do(world: World) -> None:
    found = fit(world, PAPER)
    first = found.model.probabilities(world.features, world.task)[:, 0]
    assert np.corrcoef(first, world.chance[:, 0])[0, 1] > 0.7


def test_preferences_alone_are_enough_to_order_the_tiers(world: World) -> None:
    settings = PaperNetworkSettings(quality=0.0, **QUICK)
    found = fit(world, settings, targets=np.full(world.quality.shape, np.nan), pairs=world.pairs).held_out
    assert (found[:, 2] - found[:, 0]).mean() > 0.15


@pytest.mark.slow
def test_dearer_cost_terms_route_cheaper(world: World) -> None:
    shares = [
        fit(world, PaperNetworkSettings.paper(**QUICK, cost=cost)).model.probabilities(world.features, world.task)
        for cost in (0.0, 3.0)
    ]
    assert shares[1][:, 2].mean() < shares[0][:, 2].mean() - 0.1


@pytest.mark.slow
@pytest.mark.parametrize("settings", [PAPER, GRADED], ids=["paper", "graded"])
def test_the_same_seed_gives_the_same_bytes(world: World, settings: PaperNetworkSettings) -> None:
    one, two = (fit(world, settings, pairs=world.pairs) for _ in range(2))
    assert one.held_out.tobytes() == two.held_out.tobytes()
    stored = ({k: v.tobytes() for k, v in found.model.parts().arrays.items()} for found in (one, two))
    assert next(stored) == next(stored)


@pytest.mark.parametrize("embedding", [True, False])
def test_numpy_serves_what_torch_trained(world: World, embedding: bool) -> None:
    from routenlp.training.paper_network import heads

    settings = PaperNetworkSettings.paper(**QUICK, task_embedding=embedding)
    width, tiers = world.features.shape[1], world.quality.shape[1]
    found = heads.new_heads(width, 3, np.zeros(tiers, dtype=np.float32), settings, 0)
    with torch.no_grad():
        for name in found:
            found[name] = found[name] + torch.randn(found[name].shape, generator=torch.Generator().manual_seed(1))
    centre, scale = world.features.mean(axis=0), world.features.std(axis=0)
    seen = np.ones(3, dtype=np.bool_)
    model = heads.to_network(found, centre, scale, seen, (np.zeros(tiers), np.ones(tiers)), graded=False)
    expected = heads.logits(found, torch.tensor((world.features - centre) / scale), torch.tensor(world.task))
    np.testing.assert_allclose(model.logits(world.features, world.task), expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(
        model.probabilities(world.features, world.task), torch.softmax(expected, dim=1).numpy(), atol=1e-4
    )


def test_rows_without_labels_and_a_task_without_rows_are_estimated(world: World) -> None:
    targets = world.quality.copy()
    targets[world.task == 2] = np.nan
    found = fit(world, GRADED, targets=targets)
    assert np.isfinite(found.held_out).all()
    unseen, unknown = (found.model.logits(world.features, np.full(len(world.task), t)) for t in (2, 9))
    np.testing.assert_array_equal(unseen, unknown)


def test_a_circle_of_preferences_does_not_diverge(world: World) -> None:
    n = len(world.task)
    first = np.tile([0, 1, 2], n)
    circle = PreferencePairs(np.repeat(np.arange(n), 3), first, (first + 1) % 3, np.ones(3 * n), np.full(3 * n, 100.0))
    assert np.isfinite(fit(world, PAPER, pairs=circle).held_out).all()


def test_torchs_own_settings_are_put_back(world: World) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    fit(world, GRADED)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_too_few_rows_or_groups_are_refused(world: World) -> None:
    with pytest.raises(TrainingError, match="in 1 groups"):
        fit(world, GRADED, groups=np.zeros(len(world.task), dtype=np.int64))
    few = np.full(world.quality.shape, np.nan)
    few[:9] = 1.0
    with pytest.raises(TrainingError, match="has 9 rows with labels"):
        fit(world, GRADED, targets=few)


def test_layers_are_not_trained_here(world: World) -> None:
    with pytest.raises(SettingsError, match="trained_layers: is 2"):
        fit(world, PaperNetworkSettings(trained_layers=2))


def test_decay_that_would_remove_more_than_there_is_is_refused(world: World) -> None:
    with pytest.raises(SettingsError, match="decay, own_decay: remove"):
        fit(world, PaperNetworkSettings(own_decay=500.0))


def test_a_tier_that_nothing_is_said_of_is_refused(world: World) -> None:
    targets = world.quality.copy()
    targets[:, 1] = np.nan
    with pytest.raises(TrainingError, match="tier 2: has no outcome and no preference"):
        fit(world, GRADED, targets=targets)


def test_importing_the_fit_does_not_import_torch() -> None:
    modules = "routenlp.training.paper_network.fit, routenlp.training.paper_network.fine_tune"
    code = f"import sys, {modules}, routenlp.training.paper_network.export; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
