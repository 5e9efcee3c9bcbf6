"""Recorded answers of one task as the rows that backtests fit and replay."""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.rows import Rows
from routenlp.replay.recorded import Recorded
from routenlp.types import FloatArray, Vectors


def rows_of(recorded: Recorded, features: Vectors, latency_s: FloatArray | None = None) -> Rows:
    """The same rows. Confidence is 1 - score, NaN where there is none; `features` of the texts, shape (n, d).

    `latency_s`: in place of what was recorded nowhere, shape (n, K); None where time plays no part.
    """
    lengths = [[float(answer.output_tokens) for answer in row] for row in recorded.answers]
    return Rows(
        tiers=recorded.tiers,
        task_names=(recorded.task,),
        task=np.zeros(recorded.n, dtype=np.int64),
        features=features,
        quality=recorded.quality,
        cost_usd=recorded.cost_usd,
        confidence=1.0 - recorded.score,
        answer_length=np.array(lengths).reshape(recorded.n, len(recorded.tiers)),
        groups=np.unique(np.array(recorded.groups), return_inverse=True)[1].astype(np.int64),
        latency_s=latency_s,
    )
