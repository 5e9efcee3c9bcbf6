"""The learned router: what each tier is expected to deliver on a query, and at what cost, over all tasks at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp, isnan
from typing import Any, ClassVar, cast

import numpy as np

from routenlp.contracts import Encoder, Estimator
from routenlp.errors import ArtefactError
from routenlp.router.latency import LatencyEstimates
from routenlp.router.nested import joined, part_of
from routenlp.router.one_row import OneRow, one_row
from routenlp.router.reading import SurfaceFrame, reading
from routenlp.types import Estimate, Parts, Query, Route

_LATENCY = "latency"


@dataclass(frozen=True, slots=True, eq=False)
class LearnedRouter:
    """`Router` whose estimates a continuation rule decides by.

    Alone, it begins at the tier of the largest quality - price x cost / top cost, and of equals at the dearest. A
    blank text, and a task that it was not trained on, have no estimates and go to the top tier.
    """

    encoder: Encoder
    surface: SurfaceFrame
    tiers: tuple[str, ...]
    tasks: tuple[str, ...]
    quality: Estimator
    """Expected quality by tier."""
    cost: Estimator
    """Expected cost by tier, in units of `top_cost_usd`."""
    top_cost_usd: float
    price: float = 0.0
    """Of cost, in quality units; 0 looks at quality alone. With a continuation rule behind it, nothing reads this."""
    latency: LatencyEstimates | None = None
    """How long tiers take, where queries tell more than their task; None: the router does not say."""
    _position: dict[str, int] = field(init=False, repr=False)
    _one: OneRow = field(init=False, repr=False)

    KIND: ClassVar[str] = "router/learned"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_position", {task: i for i, task in enumerate(self.tasks)})
        object.__setattr__(self, "_one", one_row([self.quality, self.cost, *self._late()]))

    def route(self, query: Query) -> Route:
        """Estimates of every tier for `query`."""
        at = self._position.get(query.task)
        if at is None:
            return self._to_the_top(query, "nothing was learned about this task: top tier")
        text = reading(query)
        if not text.strip():
            return self._to_the_top(query, "an empty text goes to the top tier")
        features = self.surface.beside(self.encoder.encode([text]), [text])
        quality, cost, *late = self._one(features[0], at)
        value = [q - self.price * c for q, c in zip(quality, cost, strict=True)] if self.price else quality
        first = len(value) - 1 - value[::-1].index(max(value))
        usd = self.top_cost_usd
        seconds = [None if isnan(ln) else exp(ln) for ln in late[0]] if late else [None] * len(cost)
        each = zip(self.tiers, quality, cost, seconds, strict=True)
        estimates = tuple([Estimate(tier, q, c * usd, s) for tier, q, c, s in each])
        reason = f"the router expects quality {quality[first]:.2f} of {self.tiers[first]}, worth most for its cost"
        return Route(query.task, self.tiers[first], estimates, reason)

    def parts(self) -> Parts:
        """For storage; the encoder is named, not stored."""
        meta = {
            "encoder": self.encoder.name,
            "tiers": list(self.tiers),
            "tasks": list(self.tasks),
            "top_cost_usd": self.top_cost_usd,
            "price": self.price,
        }
        arrays = {"surface_mean": self.surface.mean, "surface_scale": self.surface.scale}
        late = {} if self.latency is None else {_LATENCY: self.latency.parts()}
        return joined(self.KIND, meta, {"quality": self.quality.parts(), "cost": self.cost.parts(), **late}, arrays)

    @classmethod
    def from_parts(cls, parts: Parts, encoder: Encoder, build: Callable[[Parts], Estimator]) -> LearnedRouter:
        """The inverse of `parts`; `build` makes estimators.

        Raises `KeyError` where a part is missing, `ArtefactError` for a latency part that is something else.
        """
        meta = cast("Mapping[str, Any]", parts.meta)
        late = _latency(build(part_of(parts, _LATENCY))) if _LATENCY in meta["parts"] else None
        mean, scale = (np.asarray(parts.arrays[f"surface_{name}"], dtype=np.float64) for name in ("mean", "scale"))
        return cls(
            encoder,
            SurfaceFrame(mean, scale),
            tuple(meta["tiers"]),
            tuple(meta["tasks"]),
            build(part_of(parts, "quality")),
            build(part_of(parts, "cost")),
            float(meta["top_cost_usd"]),
            float(meta["price"]),
            late,
        )

    def _late(self) -> list[LatencyEstimates]:
        return [] if self.latency is None else [self.latency]

    def _to_the_top(self, query: Query, reason: str) -> Route:
        return Route(query.task, self.tiers[-1], (), reason)


def _latency(found: Estimator) -> LatencyEstimates:
    if not isinstance(found, LatencyEstimates):
        kind = found.parts().kind
        raise ArtefactError(_LATENCY, f"is of kind {kind!r}", f"It must be {LatencyEstimates.KIND!r}: train it again.")
    return found
