"""A small world of recorded outcomes: what a query asks shows in its features, what an answer is worth in its
confidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routenlp.replay.backtest.rows import Rows
from routenlp.types import FloatArray

PRICES = (1.0, 4.0, 20.0)


def world(n: int = 600, *, seed: int = 0, tasks: int = 2, noise: float = 0.15, graded: bool = False) -> Rows:
    """Three tiers, `cheap`, `mid`, `top`: a query of difficulty d (its first feature) is handled by tiers above d."""
    rng = np.random.default_rng(seed)
    difficulty = rng.uniform(0.0, 1.0, n)
    skill = np.array([0.45, 0.7, 0.93])
    margin = skill - difficulty[:, None] + rng.normal(0.0, noise, (n, 3))
    quality = np.clip(0.5 + 2.0 * margin, 0.0, 1.0) if graded else (margin > 0.0).astype(float)
    features = np.stack([difficulty, rng.normal(0.0, 0.3, n), np.ones(n)], axis=1).astype(np.float32)
    return Rows(
        tiers=("cheap", "mid", "top"),
        task_names=tuple(f"task{number}" for number in range(tasks)),
        task=rng.integers(0, tasks, n),
        features=features,
        quality=quality,
        cost_usd=np.array(PRICES) * rng.uniform(0.8, 1.2, (n, 3)),
        confidence=1.0 / (1.0 + np.exp(-(6.0 * margin + rng.normal(0.0, 1.0, (n, 3))))),
        answer_length=rng.integers(5, 200, (n, 3)).astype(float),
        groups=np.arange(n),
    )


def without_text(rows: Rows) -> Rows:
    return replace(rows, features=np.zeros((rows.n, 0), dtype=np.float32))


def without_confidence(rows: Rows) -> Rows:
    return replace(rows, confidence=np.full_like(rows.confidence, np.nan))


def with_quality(rows: Rows, quality: FloatArray) -> Rows:
    return replace(rows, quality=quality)


def with_tiers(rows: Rows, *at: int) -> Rows:
    """Only the tiers at these positions."""
    columns = list(at)
    return replace(
        rows,
        tiers=tuple(rows.tiers[k] for k in columns),
        quality=rows.quality[:, columns],
        cost_usd=rows.cost_usd[:, columns],
        confidence=rows.confidence[:, columns],
        answer_length=rows.answer_length[:, columns],
    )
