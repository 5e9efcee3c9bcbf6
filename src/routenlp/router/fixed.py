"""Routers that do not look at the query: the ends of the scale that a learned one is compared with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from routenlp.types import Parts, Query, Route


@dataclass(frozen=True, slots=True)
class AlwaysRouter:
    """Begins every query at `tier`."""

    tier: str

    def route(self, query: Query) -> Route:
        """The same tier every time."""
        return Route(query.task, self.tier, (), f"every query goes to {self.tier}")

    def parts(self) -> Parts:
        """For the policy's version."""
        return Parts("router/always", {}, {"tier": self.tier})


@dataclass(frozen=True, slots=True)
class RandomRouter:
    """Begins each query at a tier drawn uniformly; the draw is fixed by seed and query id."""

    tiers: tuple[str, ...]
    seed: int

    def route(self, query: Query) -> Route:
        """A tier by hash."""
        digest = hashlib.sha256(f"{self.seed}\0{query.id}".encode("utf-8", "surrogatepass")).digest()
        tier = self.tiers[int.from_bytes(digest[:8]) % len(self.tiers)]
        return Route(query.task, tier, (), "drawn at random")

    def parts(self) -> Parts:
        """For the policy's version."""
        return Parts("router/random", {}, {"tiers": list(self.tiers), "seed": self.seed})
