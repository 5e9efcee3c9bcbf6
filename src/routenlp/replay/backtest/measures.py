"""How good a router is over all its settings: areas under its curve of quality over cost, and how well a score ranks.

Sources: AIQ from RouterBench (Hu et al. 2024, arXiv 2403.12031); PGR, APGR and CPT from RouteLLM (Ong et al. 2024,
arXiv 2406.18665); risk-coverage area from Geifman and El-Yaniv 2017 (arXiv 1705.08500).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Hull:
    """The best mean quality that random mixtures of some policies reach, over their mean cost.

    Corners by rising cost; the first is (0, 0), not answering at all, which costs nothing. Quality rises from each to
    the next, ever more slowly.
    """

    cost: FloatArray
    quality: FloatArray

    def at(self, cost: float | FloatArray) -> FloatArray:
        """Quality that a cost of at most `cost` buys; beyond the last corner more money buys nothing."""
        return np.asarray(np.interp(cost, self.cost, self.quality))

    def cost_of(self, quality: float) -> float | None:
        """The least cost at which this quality is reached; None where it never is."""
        if quality > self.quality[-1]:
            return None
        return float(np.interp(quality, self.quality, self.cost))


def quality_cost_hull(cost: FloatArray, quality: FloatArray) -> Hull:
    """Upper hull of policies with mean `cost` > 0 and mean `quality` in [0, 1], both of shape (policies,)."""
    corners = [(0.0, 0.0)]
    for x, y in sorted(zip(cost.tolist(), quality.tolist(), strict=True), key=lambda point: (point[0], -point[1])):
        if y <= corners[-1][1]:
            continue
        while len(corners) > 1 and _bends_up(corners[-2], corners[-1], (x, y)):
            corners.pop()
        corners.append((x, y))
    return Hull(np.array([x for x, _ in corners]), np.array([y for _, y in corners]))


def aiq(hull: Hull, cost_min: float, cost_max: float) -> float:
    """Mean quality of the hull over costs from `cost_min` to `cost_max`: between systems, the same two for all."""
    if not 0.0 <= cost_min < cost_max:
        raise ValueError(f"no range of costs: {cost_min} to {cost_max}")
    inside = hull.cost[(hull.cost > cost_min) & (hull.cost < cost_max)]
    at = np.concatenate([[cost_min], inside, [cost_max]])
    return _area(at, hull.at(at)) / (cost_max - cost_min)


def pgr(quality: FloatArray, weak: float, strong: float) -> FloatArray:
    """Performance gap recovered, (Q - Q_weak) / (Q_strong - Q_weak): 0 is the weak tier's quality, 1 the strong's."""
    if weak == strong:
        raise ValueError("the tiers are equally good: there is no gap to recover")
    return np.asarray((quality - weak) / (strong - weak))


def apgr(share: FloatArray, recovered: FloatArray) -> float:
    """Area under the PGR over the share of queries that the strong tier answers, from 0 to 1; random routing has 0.5.

    `share`, `recovered`: of each policy, shape (policies,). At a share of 0 the PGR is 0 and at 1 it is 1.
    """
    x, y = _curve(share, recovered)
    return _area(x, y)


def cpt(share: FloatArray, recovered: FloatArray, target: float) -> float:
    """Call-performance threshold: the least share of strong calls at which the PGR is `target` (0 to 1) or more.

    Between two policies a random mixture is meant, so the curve is linear there.
    """
    if not 0.0 <= target <= 1.0:
        raise ValueError(f"target {target} is not in [0, 1]")
    x, y = _curve(share, recovered)
    first = int(np.argmax(y >= target))
    if first == 0:
        return float(x[0])
    step = (target - y[first - 1]) / (y[first] - y[first - 1])
    return float(x[first - 1] + step * (x[first] - x[first - 1]))


def auroc(score: FloatArray, quality: FloatArray) -> float | None:
    """Chance that of two answers, one above and one below quality 1/2, the first has the higher score; ties count half.

    Rows whose score is NaN are left out; None where one side is empty (Mann and Whitney 1947).
    """
    known = ~np.isnan(score)
    good, values = quality[known] >= 0.5, score[known]
    if good.all() or not good.any():
        return None
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2.0)[place]
    many = int(good.sum())
    return float((rank[good].sum() - many * (many + 1) / 2.0) / (many * (len(good) - many)))


def _area(x: FloatArray, y: FloatArray) -> float:
    """Under straight lines between the points."""
    return float((np.diff(x) * (y[1:] + y[:-1])).sum()) / 2.0


def _bends_up(before: tuple[float, float], at: tuple[float, float], after: tuple[float, float]) -> bool:
    """Whether `at` lies on or under the line from `before` to `after`."""
    rise, run = at[1] - before[1], at[0] - before[0]
    return rise * (after[0] - before[0]) <= (after[1] - before[1]) * run


def _curve(share: FloatArray, recovered: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points by rising share, from (0, 0) to (1, 1)."""
    order = np.argsort(share, kind="stable")
    return np.concatenate([[0.0], share[order], [1.0]]), np.concatenate([[0.0], recovered[order], [1.0]])
