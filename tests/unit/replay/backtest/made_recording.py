"""A small recording as a dict of columns: three models, of which a query's text and a model's confidence tell who is
right."""

from __future__ import annotations

from typing import Any

import numpy as np

Columns = dict[str, list[Any]]
MODELS = ("small", "mid", "large")
COSTS = (1.0, 4.0, 20.0)
TOPICS = ("card payment abroad", "weather of tomorrow", "proof of a theorem")


def recording(n: int = 700, *, seed: int = 0, useless: bool = False, groups: int | None = None) -> Columns:
    """`useless`: cheap models are right half of the time, and neither text nor confidence tells when."""
    rng = np.random.default_rng(seed)
    topic = rng.integers(0, 3, n)
    ease = np.array([1.0, 0.6, -0.6])[topic] + rng.normal(0.0, 0.3, n)
    margin = ease[:, None] + np.array([0.0, 0.5, 1.6]) + rng.normal(0.0, 0.4, (n, 3))
    confidence = 1.0 / (1.0 + np.exp(-4.0 * margin + rng.normal(0.0, 0.5, (n, 3))))
    quality = (margin > 0.0).astype(float)
    text = [f"{TOPICS[t]} number {i}" for i, t in enumerate(topic)]
    if useless:
        quality[:, :2] = rng.random((n, 2)) < 0.5
        quality[:, 2] = rng.random(n) < 0.95
        confidence, text = rng.random((n, 3)), ["the same"] * n
    columns: Columns = {
        name: [] for name in ("query_id", "model", "quality", "cost_usd", "query", "confidence", "task")
    }
    for i in range(n):
        for k, model in enumerate(MODELS):
            row = (f"q{i}", model, quality[i, k], COSTS[k], text[i], confidence[i, k], ("ask", "tell")[i % 2])
            for name, value in zip(columns, row, strict=True):
                columns[name].append(value)
    if groups is not None:
        columns["group"] = [f"g{int(name[1:]) % groups}" for name in columns["query_id"]]
    return columns


def only(columns: Columns, *models: str) -> Columns:
    """The rows of these models."""
    kept = [i for i, model in enumerate(columns["model"]) if model in models]
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def changed(columns: Columns, **new: Any) -> Columns:
    """With other columns; a value in place of a list stands for every row, None takes the column away."""
    n = len(columns["model"])
    filled = {name: value if isinstance(value, list) else [value] * n for name, value in new.items()}
    merged = {**columns, **filled}
    return {name: values for name, values in merged.items() if new.get(name, 0) is not None}
