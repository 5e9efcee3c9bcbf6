"""Small recorded answers: two cheap tiers, the second better, before a top tier that never fails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from routenlp.replay.recorded import Recorded


def made(n: int, seed: int = 0) -> Recorded:
    rng = np.random.default_rng(seed)
    hard = rng.random(n)
    score = np.stack([np.clip(hard + rng.normal(0, 0.1, n), 0, 1) for _ in range(2)], axis=1)
    right = np.stack([rng.random(n) > 0.5 * hard**2, rng.random(n) > 0.2 * hard**2], axis=1)
    return Recorded(
        task="t",
        tiers=("small", "mid", "top"),
        handled_at=1.0,
        ids=tuple(str(i) for i in range(n)),
        groups=tuple(str(i) for i in range(n)),
        answers=(),
        quality=np.column_stack([right, np.ones(n)]).astype(np.float64),
        score=np.column_stack([score, np.zeros(n)]),
        cost_usd=np.tile([0.01, 0.1, 8.0], (n, 1)),
        latency_s=np.zeros((n, 3)),
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., Recorded]:
    return made
