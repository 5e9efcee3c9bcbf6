"""A made recording: three tiers whose quality follows a hidden difficulty that text and confidence partly show."""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.rows import Rows

TIERS = ("small", "mid", "top")
COST = np.array([0.05, 0.2, 1.0])


def world(n: int, seed: int, *, confidence: str = "informative", text: bool = True, tasks: int = 2) -> Rows:
    """`confidence`: informative, constant or none."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(size=n)
    task = rng.integers(0, tasks, n)
    ability = np.array([0.0, 1.0, 2.0]) + 0.3 * task[:, None]
    luck = rng.normal(size=(n, 3))
    quality = (ability - 1.5 * difficulty[:, None] + luck > 0.0).astype(float)
    shown = 1.0 / (1.0 + np.exp(-(ability - 1.5 * difficulty[:, None] + luck + 0.7 * rng.normal(size=(n, 3)))))
    by_kind = {"informative": shown, "constant": np.full((n, 3), 0.7), "none": np.full((n, 3), np.nan)}
    d = 4 if text else 0
    features = (difficulty[:, None] * 0.5 + rng.normal(size=(n, d))).astype(np.float32)
    length = np.round(np.exp(3.0 + 0.3 * rng.normal(size=(n, 3))))
    names = tuple(f"task{t}" for t in range(tasks))
    cost = COST * rng.lognormal(0.0, 0.1, (n, 3))
    return Rows(TIERS, names, task, features, quality, cost, by_kind[confidence], length, np.arange(n))
