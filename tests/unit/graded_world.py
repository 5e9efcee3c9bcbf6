"""Made outcomes of three tiers on queries with features, from a known chance of success."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIMENSIONS, TASKS, TIERS = 12, 5, 3


@dataclass(frozen=True, slots=True, eq=False)
class Graded:
    """n queries."""

    features: np.ndarray
    task: np.ndarray
    chance: np.ndarray
    """Of success, shape (n, TIERS)."""
    quality: np.ndarray
    groups: np.ndarray

    def arguments(self, quality=None):
        """What a fit is given."""
        return self.features, self.task, self.quality if quality is None else quality, self.groups


def graded_world(n: int, seed: int) -> Graded:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, DIMENSIONS)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    task = rng.integers(0, TASKS, n)
    hard = 6.0 * features[:, 0] + 3.0 * np.abs(features[:, 1]) + 0.3 * task
    chance = 1.0 / (1.0 + np.exp(hard[:, None] - np.array([0.5, 1.5, 2.5])))
    quality = (rng.uniform(size=(n, TIERS)) < chance).astype(float)
    return Graded(features, task, chance, quality, np.arange(n))


def bounds(tiers: int = TIERS) -> dict[str, np.ndarray]:
    """Quality lies in [0, 1]."""
    return {"low": np.zeros(tiers), "high": np.ones(tiers)}
