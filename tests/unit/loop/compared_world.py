"""Queries of one task under two policies, with known truth: who loses what, where, and what it costs."""

from __future__ import annotations

import numpy as np

from routenlp.loop.compared import NO_SEGMENT, Compared


def compared(task="t", *, lost, saved=0.0, groups=None, segments=None, quality=1.0, top=1.0, cheap=True):
    """Rows that lose `lost` of quality and save `saved` USD, where always-top costs 1 and the policy in force 0.5."""
    lost = np.asarray(lost, dtype=np.float64)
    n = len(lost)
    current = np.full(n, quality)
    return Compared(
        task,
        tuple(f"{task}-{i}" for i in range(n)),
        tuple(groups) if groups is not None else tuple(f"{task}-{i}" for i in range(n)),
        current,
        current - lost,
        np.full(n, top),
        np.full(n, 0.5),
        0.5 - np.broadcast_to(np.asarray(saved, dtype=np.float64), (n,)),
        np.ones(n),
        np.full(n, cheap),
        np.full(n, NO_SEGMENT) if segments is None else np.asarray(segments, dtype=np.int64),
    )
