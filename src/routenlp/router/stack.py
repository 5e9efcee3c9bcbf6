"""What the router expects of each tier: several estimators blended, then held to what was delivered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Estimator
from routenlp.router.isotonic import IsotonicMaps
from routenlp.router.nested import joined, part_of
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class StackedEstimates:
    """Of each tier a convex blend of the members' estimates, through the map of its (tier, task).

    A tier with too few outcomes to learn from has its mean, and `fallbacks` says so.
    """

    members: tuple[Estimator, ...]
    """Over the tiers in `learned`; none where no tier is learned."""
    weights: FloatArray
    """Shape (members, tiers learned): not negative, summing to one over members."""
    maps: IsotonicMaps | None
    """None where the blend as it is was better on held-out rows."""
    learned: NDArray[np.int64]
    """Positions of the tiers that the members know."""
    mean: FloatArray
    """Of all tiers, shape (K,): the estimate of one that is not learned, and of a task that training never saw."""
    fallbacks: tuple[str, ...] = ()
    """What is not learned, in words."""

    KIND: ClassVar[str] = "estimates/stack"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        out = np.empty((len(task), len(self.mean)))
        out[:] = self.mean
        if self.members:
            blend = sum(w * m.estimate(features, task) for w, m in zip(self.weights, self.members, strict=True))
            out[:, self.learned] = self._mapped(np.asarray(blend), task)
        return out

    def _mapped(self, blend: FloatArray, task: NDArray[np.int64]) -> FloatArray:
        return blend if self.maps is None else self.maps.of(blend, task)

    def parts(self) -> Parts:
        """For storage, members inside."""
        arrays = {"weights": self.weights, "learned": self.learned, "mean": self.mean}
        if self.maps is not None:
            arrays |= {"knots": self.maps.knots, "levels": self.maps.levels}
        meta = {"members": len(self.members), "fallbacks": list(self.fallbacks)}
        return joined(self.KIND, meta, {f"member{i}": m.parts() for i, m in enumerate(self.members)}, arrays)

    @classmethod
    def from_parts(cls, parts: Parts, read: Callable[[Parts], Estimator]) -> StackedEstimates:
        """The inverse of `parts`; `read` makes members. Raises `KeyError` where a part is missing."""
        meta, arrays = cast("Mapping[str, Any]", parts.meta), parts.arrays
        maps = None
        if "knots" in arrays:
            maps = IsotonicMaps(*(np.asarray(arrays[name], dtype=np.float64) for name in ("knots", "levels")))
        return cls(
            tuple(read(part_of(parts, f"member{i}")) for i in range(int(meta["members"]))),
            np.asarray(arrays["weights"], dtype=np.float64),
            maps,
            np.asarray(arrays["learned"], dtype=np.int64),
            np.asarray(arrays["mean"], dtype=np.float64),
            tuple(meta["fallbacks"]),
        )
