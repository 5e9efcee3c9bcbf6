"""Fits the network on vectors of a frozen encoder: seconds, by the contract of every estimator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import SettingsError, TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.router.paper_network import PaperNetwork, qualities
from routenlp.training.paper_network.labels import Goals, Labels, first_bias, make_labels
from routenlp.training.paper_network.settings import PaperNetworkSettings
from routenlp.training.preference_fit import folds_of_labelled
from routenlp.training.ridge_fit import FOLDS
from routenlp.types import FloatArray, Vectors

if TYPE_CHECKING:
    import torch

    from routenlp.training.paper_network.loss import Loss


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """The network, and estimates of the training rows by networks that had not seen the row's group."""

    model: PaperNetwork
    held_out: FloatArray
    """Shape (n, K)."""
    epochs: int
    """That did best on held-out rows."""
    held_out_loss: tuple[float, ...]
    """After each epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    features: Vectors
    task: NDArray[np.int64]
    tasks: int
    labels: Labels
    settings: PaperNetworkSettings


@dataclass(frozen=True, slots=True, eq=False)
class _Scaled:
    centre: Vectors
    scale: Vectors

    def tensor(self, features: Vectors) -> torch.Tensor:
        import torch

        return torch.tensor((features - self.centre) / self.scale, dtype=torch.float32)


def fit_paper_network(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
    settings: PaperNetworkSettings | None = None,
    goals: Goals | None = None,
    pairs: PreferencePairs | None = None,
) -> FittedNetwork:
    """A head on fixed `features`, float32 (n, d), trained for as many epochs as give the least held-out loss.

    `targets`: quality, shape (n, K), NaN where missing. `pairs`: preferences on these rows. Rows with neither are
    estimated and not fitted. Same arguments, same bytes. Raises `TrainingError` where rows or groups are too few to
    hold any out, or the loss has nothing to learn from; `SettingsError` where it lacks target or prices, where
    encoder layers are to be trained (`fine_tune` does that), or the extra `train` is not installed.
    """
    settings = settings or PaperNetworkSettings()
    if settings.trained_layers:
        raise SettingsError("trained_layers", f"is {settings.trained_layers}", "Give 0, or texts to `fine_tune`")
    need_torch()
    from routenlp.training.paper_network.descent import repeatable
    from routenlp.training.paper_network.heads import to_network
    from routenlp.training.paper_network.loss import Loss

    labels = make_labels(targets, task, pairs, goals or Goals(), settings)
    told = rows_with_labels(labels)
    rows = _Rows(features, task, tasks, labels, settings)
    with repeatable():
        loss = Loss.of(labels, settings)
        logits, curve = _cross_fit(rows, loss, told, groups, seed)
        epochs = int(np.argmin(curve)) + 1
        *_, found = _train(rows, loss, told, epochs, seed)
        seen = np.isin(np.arange(tasks), task[told])
        model = to_network(found, *scaling(features[told]), seen, (low, high), graded=settings.graded)
    held_out = np.clip(qualities(logits[epochs - 1], graded=settings.graded), low, high)
    return FittedNetwork(model, held_out, epochs, tuple(curve.tolist()))


def need_torch() -> None:
    """Raises `SettingsError` where torch is not installed."""
    try:
        import torch  # noqa: F401 - better missed here than halfway
    except ImportError as exc:
        raise SettingsError("paper network", "torch is not installed", "Install routenlp[train].") from exc


def rows_with_labels(labels: Labels) -> NDArray[np.int64]:
    """Positions of the rows that say anything."""
    return np.flatnonzero(labels.recorded.any(axis=1) | labels.wins.any(axis=(1, 2)))


def scaling(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Centre and spread of each column, (d,); a column that does not vary has spread 1."""
    spread = vectors.std(axis=0, dtype=np.float64)
    return vectors.mean(axis=0, dtype=np.float64).astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(
        np.float32
    )


def _cross_fit(
    rows: _Rows, loss: Loss, told: NDArray[np.int64], groups: NDArray[np.int64], seed: int
) -> tuple[FloatArray, FloatArray]:
    """Held-out logits after every epoch, (epochs, n, K), and their loss, (epochs,)."""
    import torch

    from routenlp.training.paper_network import heads

    if len(told) < 2 * FOLDS or len(np.unique(groups[told])) < FOLDS:
        problem = f"has {len(told)} rows with labels in {len(np.unique(groups[told]))} groups"
        raise TrainingError("paper network", problem, f"Give {2 * FOLDS} rows in {FOLDS} groups at least")
    fold = folds_of_labelled(groups, told, seed)
    kept = np.zeros((rows.settings.epochs, *loss.quality.shape))
    for f in range(FOLDS):
        look_at, fit_on = np.flatnonzero(fold == f), told[fold[told] != f]
        vectors = _Scaled(*scaling(rows.features[fit_on])).tensor(rows.features[look_at])
        task = torch.tensor(rows.task[look_at])
        for epoch, found in enumerate(_train(rows, loss, fit_on, rows.settings.epochs, seed)):
            with torch.no_grad():
                kept[epoch, look_at] = heads.logits(found, vectors, task).numpy()
    at = torch.tensor(told)
    curve = [float(loss(torch.tensor(z[told], dtype=torch.float32), at, at)) for z in kept]
    return kept, np.array(curve)


def _train(
    rows: _Rows, loss: Loss, fit_on: NDArray[np.int64], epochs: int, seed: int
) -> Iterator[dict[str, torch.Tensor]]:
    """The heads, after every epoch."""
    import torch

    from routenlp.training.paper_network import heads
    from routenlp.training.paper_network.descent import descend

    found = heads.new_heads(
        rows.features.shape[1], rows.tasks, first_bias(rows.labels, fit_on, rows.settings), rows.settings, seed
    )
    vectors = _Scaled(*scaling(rows.features[fit_on])).tensor(rows.features)
    task = torch.tensor(rows.task)

    def forward(at: torch.Tensor) -> torch.Tensor:
        return heads.logits(found, vectors[at], task[at])

    groups = heads.groups(found, rows.settings)
    for _ in descend(forward, groups, loss, fit_on, rows.settings, epochs=epochs, seed=seed):
        yield found
