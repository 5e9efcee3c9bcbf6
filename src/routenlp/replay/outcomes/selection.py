"""Whether queries that every model answered are like those that some model did not.

A log in which one tier was asked on some queries only is a fair sample where those were drawn at random, as audits are,
and a selected one where somebody chose: then what is learned and certified there says nothing of the rest. The models
that did answer the others tell: at random, they are as good on either side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.outcomes.cleaning import Rows
from routenlp.replay.outcomes.table import Incomplete
from routenlp.types import FloatArray


def incompleteness(recorded: Rows, kept: Rows) -> Incomplete | None:
    """From the rows before and after queries went; None where none did that a kept model answered."""
    models = kept.present()
    answered = np.zeros((len(kept.queries), len(kept.models)), dtype=np.bool_)
    answered[recorded.query, recorded.model] = True
    answered = answered[:, models]
    gone: NDArray[np.bool_] = np.asarray(answered.any(axis=1) & ~answered.all(axis=1))
    if not gone.any():
        return None
    found = [(_compared(recorded, m, gone), recorded.models[m]) for m in models]
    (here, there, z), judge = max(found, key=lambda entry: abs(entry[0][2]))
    missing = recorded.models[models[int(answered[gone].sum(axis=0).argmin())]]
    return Incomplete(int(gone.sum()), int(answered.any(axis=1).sum()), missing, judge, here, there, z)


def _compared(rows: Rows, model: int, gone: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean quality on queries kept and on those that go, task by task, and the difference in standard errors."""
    mine = rows.model == model
    query, quality = rows.query[mine], rows.numbers["quality"][mine]
    tasks = np.unique([rows.queries[q][0] for q in query], return_inverse=True)[1] if len(query) else query
    total = kept_mean = gone_mean = variance = 0.0
    for task in np.unique(tasks):
        at = tasks == task
        here, there = quality[at & ~gone[query]], quality[at & gone[query]]
        if len(here) > 1 and len(there) > 1:
            size = float(at.sum())
            total += size
            kept_mean += size * float(here.mean())
            gone_mean += size * float(there.mean())
            variance += size**2 * (_variance(here) + _variance(there))
    if not total:
        return float("nan"), float("nan"), 0.0
    difference = (kept_mean - gone_mean) / total
    error = float(np.sqrt(variance)) / total
    return kept_mean / total, gone_mean / total, difference / error if error > 0.0 else 0.0


def _variance(values: FloatArray) -> float:
    """Of their mean, with one success and one failure more than were seen: a mean of 0 or 1 is not known exactly."""
    n = len(values)
    mean = (float(values.sum()) + 1.0) / (n + 2.0)
    return max(float(values.var()), mean * (1.0 - mean) * 2.0 / n) / n
