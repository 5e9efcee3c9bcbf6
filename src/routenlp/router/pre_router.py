"""The simple pre-router: begin at the cheapest tier whose expected quality reaches the task's cut-off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Encoder
from routenlp.router.estimator import LinearEstimator, features
from routenlp.types import Estimate, FloatArray, Parts, Query, Route


def first_positions(estimates: FloatArray, cutoff: float | None) -> NDArray[np.int64]:
    """Position of the first tier of each row: the cheapest whose estimate is >= `cutoff`, else the top.

    `estimates`: shape (n, tiers), cheapest first. An absent cut-off means the top tier for every row.
    """
    if cutoff is None:
        return np.full(len(estimates), estimates.shape[1] - 1)
    good = estimates >= cutoff
    good[:, -1] = True
    return np.asarray(good.argmax(axis=1))


@dataclass(frozen=True, slots=True)
class PreRouter:
    """`Router` by quality estimates. `cutoffs`: by task; a missing one routes to the top tier, as does a blank text."""

    encoder: Encoder
    estimator: LinearEstimator
    tiers: tuple[str, ...]
    cutoffs: Mapping[str, float]

    KIND: ClassVar[str] = "router/pre_router"

    def route(self, query: Query) -> Route:
        """The first tier for `query`, with the estimates behind it."""
        if not query.text.strip():
            return Route(query.task, self.tiers[-1], (), "an empty text goes to the top tier")
        rows = features(self.encoder.encode([query.text]), [query.text])
        found = self.estimator.estimate(query.task, rows)
        if found is None:
            return Route(query.task, self.tiers[-1], (), "nothing was learned about this task: top tier")
        cutoff = self.cutoffs.get(query.task)
        first = int(first_positions(found, cutoff)[0])
        estimates = tuple(Estimate(tier, float(q)) for tier, q in zip(self.tiers, found[0], strict=True))
        return Route(query.task, self.tiers[first], estimates, _reason(estimates, first, cutoff))

    def parts(self) -> Parts:
        """For storage; the encoder is named, not stored."""
        meta = {"encoder": self.encoder.name, "tiers": list(self.tiers), "cutoffs": dict(self.cutoffs)}
        return self.estimator.parts(self.KIND, meta)


def _reason(estimates: tuple[Estimate, ...], first: int, cutoff: float | None) -> str:
    chosen = estimates[first]
    if cutoff is None:
        return "this task has no cut-off: top tier"
    if first == len(estimates) - 1:
        return f"no cheaper tier is expected to reach quality {cutoff:.2f}"
    return f"the router expects quality {chosen.quality:.2f} of {chosen.tier}, at least the cut-off {cutoff:.2f}"
