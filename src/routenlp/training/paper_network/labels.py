"""What the network is taught, made from graded outcomes and preferences; in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import SettingsError, TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.training.paper_network.settings import PaperNetworkSettings
from routenlp.types import FloatArray, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Goals:
    """What beside outcomes the paper's loss needs. `target`: by task, shape (tasks,); `price`: by tier, shape (K,)."""

    target: FloatArray | None = None
    """tau: the quality under which an answer does not do."""
    price: FloatArray | None = None
    """In any unit; only shares of the dearest count."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Of n rows and K tiers."""

    quality: FloatArray
    """Shape (n, K), 0 where there is no outcome."""
    recorded: NDArray[np.bool_]
    """Shape (n, K)."""
    complete: NDArray[np.bool_]
    """Shape (n,): every tier has an outcome."""
    cheapest: NDArray[np.int64]
    """Shape (n,): the cheapest tier that reaches the target, the top tier where none does, -1 where outcomes that
    are missing leave it open."""
    target: FloatArray
    """tau of each row, shape (n,)."""
    price: FloatArray
    """Shape (K,), of the dearest."""
    wins: FloatArray
    """`PreferencePairs.wins`, shape (n, K, K)."""


def make_labels(
    targets: FloatArray,
    task: NDArray[np.int64],
    pairs: PreferencePairs | None,
    goals: Goals,
    settings: PaperNetworkSettings,
) -> Labels:
    """Labels of all rows. `targets`: outcomes, shape (n, K), NaN where one is missing.

    Raises `SettingsError` where the loss needs a target or prices and has none, `TrainingError` where a term with a
    weight has nothing to learn from.
    """
    n, tiers = targets.shape
    recorded = ~np.isnan(targets)
    quality = np.where(recorded, targets, 0.0)
    labels = Labels(
        quality,
        recorded,
        np.asarray(recorded.all(axis=1)),
        np.full(n, -1),
        np.zeros(n),
        _price(goals, settings, tiers),
        np.zeros((n, tiers, tiers)) if pairs is None else pairs.wins(n, tiers),
    )
    if settings.route or settings.hinge:
        if goals.target is None:
            raise SettingsError("target", "is not given", "Give each task's quality target: the paper's loss needs it")
        labels.target[:] = goals.target[task]
        labels.cheapest[:] = cheapest_tier(quality, recorded, labels.target)
    _check(labels, settings)
    return labels


def cheapest_tier(quality: FloatArray, recorded: NDArray[np.bool_], target: FloatArray) -> NDArray[np.int64]:
    """See `Labels.cheapest`: open unless all tiers under the first known to reach the target are recorded."""
    reaches = recorded & (quality >= target[:, None])
    top = quality.shape[1] - 1
    first = np.where(reaches.any(axis=1), reaches.argmax(axis=1), top)
    unbroken = np.where(recorded.all(axis=1), top + 1, (~recorded).argmax(axis=1))
    return np.asarray(np.where(first < unbroken, first, -1), dtype=np.int64)


def first_bias(labels: Labels, rows: NDArray[np.int64], settings: PaperNetworkSettings) -> Vectors:
    """Logits (K,) that training begins from: those of the mean quality, or of how often a tier is the label."""
    if settings.graded:
        count = labels.recorded[rows].sum(axis=0)
        mean = (labels.quality[rows].sum(axis=0) + 0.5) / (count + 1.0)
        return np.asarray(np.log(mean / (1.0 - mean)), dtype=np.float32)
    labelled = labels.cheapest[rows]
    count = np.bincount(labelled[labelled >= 0], minlength=labels.quality.shape[1]) + 1.0
    return np.asarray(np.log(count / count.sum()), dtype=np.float32)


def _price(goals: Goals, settings: PaperNetworkSettings, tiers: int) -> FloatArray:
    if not settings.cost:
        return np.zeros(tiers)
    if goals.price is None:
        raise SettingsError("price", "is not given", "Give each tier's price: the loss has a cost term")
    if goals.price.shape != (tiers,) or not (np.isfinite(goals.price).all() and (goals.price > 0.0).all()):
        raise SettingsError("price", f"is {goals.price.tolist()}", f"Give a positive price for each of {tiers} tiers")
    return np.asarray(goals.price / goals.price.max())


def _check(labels: Labels, settings: PaperNetworkSettings) -> None:
    told = labels.recorded.any(axis=0) | labels.wins.any(axis=(0, 1)) | labels.wins.any(axis=(0, 2))
    if told.any() and not told.all():
        problem = "has no outcome and no preference"
        raise TrainingError(f"tier {int(told.argmin()) + 1}", problem, "Record some, or leave the tier out")
    if settings.quality and not labels.recorded.any():
        raise TrainingError("paper network", "has no graded outcome", "Grade some answers, or set quality to 0")
    if settings.route and (labels.cheapest < 0).all():
        problem = "no row says which tier is the cheapest that will do"
        raise TrainingError("paper network", problem, "Give rows that every tier has answered, or set route to 0")
    if not (settings.quality or settings.route) and not labels.wins.any():
        raise TrainingError("paper network", "has no preference pair", "Give pairs, or graded outcomes")
