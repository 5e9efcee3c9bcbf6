"""How many lessons each cluster gets: whole top clusters over-concentrate and were measured worse than random picks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routenlp.loop.ranking import Ranked

FLATTENED = 0.5
"""Power of a cluster's weight: 1 is in proportion to its worth, 0 is the same for all."""


def by_worth(ranked: Sequence[Ranked], budget: int, *, power: float = FLATTENED) -> dict[int, int]:
    """Lessons by cluster index: shares of `budget` in proportion to size times (value / size)^power.

    A cluster gets at most its size, and what is left over goes to the others. Dropped clusters get none. Where every
    bound is at most 0, size alone counts: what is known speaks for no cluster before another.
    """
    kept = [r for r in ranked if r.dropped is None and r.evidence.size > 0]
    least = min((r.low / r.evidence.size for r in kept if r.low > 0.0), default=1.0)
    weights = {r.evidence.index: r.evidence.size * (max(r.low / r.evidence.size, least) / least) ** power for r in kept}
    return in_proportion(weights, {r.evidence.index: r.evidence.size for r in kept}, budget)


def whole_clusters(ranked: Sequence[Ranked], budget: int) -> dict[int, int]:
    """The paper's way: all of the first cluster, then all of the next, until the budget is spent."""
    out: dict[int, int] = {}
    for r in ranked:
        if r.dropped is None and budget > 0:
            out[r.evidence.index] = min(r.evidence.size, budget)
            budget -= out[r.evidence.index]
    return out


def in_proportion(weights: Mapping[int, float], most: Mapping[int, int], budget: int) -> dict[int, int]:
    """Whole shares of `budget` in proportion to `weights`, none over `most`; they sum to the budget, or to all of
    `most` where that is less. Ties go to the cluster that comes first.
    """
    out = dict.fromkeys(weights, 0)
    left = min(budget, sum(most[c] for c in weights))
    while left > 0:
        open_ = {c: w for c, w in weights.items() if out[c] < most[c]}
        total = sum(open_.values())
        exact = {c: left * (w / total if total > 0.0 else 1.0 / len(open_)) for c, w in open_.items()}
        given = {c: min(int(share), most[c] - out[c]) for c, share in exact.items()}
        if not any(given.values()):
            for c in sorted(open_, key=lambda c: -exact[c])[:left]:
                given[c] = 1
        for c, n in given.items():
            out[c] += n
        left -= sum(given.values())
    return out
