"""A log with three actions, drawn with known propensities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from routenlp.replay.off_policy.logged import LoggedQueries

ACTIONS = ("small", "mid", "top")
PRICES = np.array([0.1, 0.3, 1.0])


def log(n: int = 400, *, seed: int = 0, **changes) -> LoggedQueries:
    """Qualities 0.6, 0.8 and 0.95 on average; half of the queries begin small, half at the top; 30% are drawn."""
    rng = np.random.default_rng(seed)
    choice = np.where(rng.uniform(size=n) < 0.5, 0, 2)
    propensity = 0.7 * np.eye(3)[choice] + 0.1
    action = np.minimum((propensity.cumsum(axis=1) <= rng.uniform(size=(n, 1))).sum(axis=1), 2)
    logged = LoggedQueries(
        ACTIONS,
        rng.integers(0, 2, size=n),
        action,
        propensity,
        (rng.uniform(size=n) < np.array([0.6, 0.8, 0.95])[action]).astype(np.float64),
        PRICES[action],
        np.arange(n),
    )
    return replace(logged, **changes) if changes else logged
