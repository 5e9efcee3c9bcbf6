"""Worlds with a known truth: a finite population of queries, and an ordered list of policies fixed beforehand.

Calibration rows are drawn from the population with replacement, so that they are exchangeable and every policy's true
risk is a plain mean over the population: no simulated truth, no doubt about a policy close to its target.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray

Bools = NDArray[np.bool_]

POPULATION = 20_000
TRAINING = 2_000
"""Rows of a sample of their own, on which the policies are fixed."""
STEP = 0.02
"""Of always-top's cost, from one policy to the next."""
GROUP_ROWS = 12
"""Rows of the largest group."""
HANDLED_AT = 0.5
"""For graded quality; label quality is 0 or 1."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What kind of world. Prices are in units of the top tier's."""

    auroc: float = 0.8
    """Of each cheap tier's score for its own failures; 0.5 knows nothing."""
    graded: bool = False
    levels: int | None = None
    """Scores are rounded up to this many values, which makes ties; None keeps them all different."""
    fails: tuple[float, ...] = (0.2,)
    """Failure rate of each cheap tier, cheapest first."""
    prices: tuple[float, ...] = (0.1,)
    top_fails: float = 0.1
    shared: float = 0.5
    """Share of a failure's latent variance that all tiers have in common; 0 makes errors independent."""
    grouped: bool = False
    """Whether rows come in groups of 1 to GROUP_ROWS that have a part of their difficulty in common."""
    group_effect: float = 0.5
    """Share of what tiers have in common that the rows of a group have in common too."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Queries with every tier's quality, failure and score."""

    quality: FloatArray
    """Shape (tiers, n), the top tier last."""
    failed: Bools
    """Shape (tiers, n)."""
    scores: FloatArray
    """Shape (cheap tiers, n)."""
    starts: NDArray[np.int64]
    """Where each unit begins; shape (units,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """What the policies g = 1 .. G do on some rows; all of shape (G, n)."""

    routed: FloatArray
    """Quality of the final answer."""
    cheap: Bools
    """Whether it came from a non-top tier."""
    lost: Bools
    """Whether it did, and failed."""
    bill: FloatArray
    """All tiers called, in units of the top tier's price."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A population, its policies and their truth."""

    rows: Rows
    policies: Policies
    training: Rows
    trained: Policies
    """The same policies on the training sample that they were fixed on: what may choose where walks begin."""

    @property
    def top(self) -> FloatArray:
        """Quality of the top tier's answers, shape (n,)."""
        return np.asarray(self.rows.quality[-1], dtype=np.float64)

    @property
    def ratios(self) -> FloatArray:
        """True quality ratio of policies 0 .. G."""
        return np.concatenate([[1.0], self.policies.routed.mean(axis=1) / self.top.mean()])

    @property
    def joint_risks(self) -> FloatArray:
        """True P(final answer from a non-top tier, and failed) of policies 0 .. G."""
        return np.concatenate([[0.0], self.policies.lost.mean(axis=1)])

    @property
    def conditional_risks(self) -> FloatArray:
        """True P(failed | answered by a non-top tier) of policies 0 .. G; 0 where nothing is so answered."""
        accepted = np.maximum(self.policies.cheap.sum(axis=1), 1)
        return np.concatenate([[0.0], self.policies.lost.sum(axis=1) / accepted])

    @property
    def bills(self) -> FloatArray:
        """True mean bill of policies 0 .. G, in units of always-top's."""
        return np.concatenate([[1.0], self.policies.bill.mean(axis=1)])

    @property
    def escalated(self) -> FloatArray:
        """True share of queries that policies 0 .. G leave to the top tier."""
        return np.concatenate([[1.0], 1.0 - self.policies.cheap.mean(axis=1)])


def world(spec: Spec, *, seed: int, population: int = POPULATION, training: int = TRAINING) -> World:
    """A world and its policies, fixed on a training sample of its own. The same arguments give the same world."""
    rng = np.random.default_rng(seed)
    seen = draw_rows(spec, training, rng)
    thresholds = ladder(seen, spec.prices)
    rows = draw_rows(spec, population, rng)
    return World(rows, replay(rows, thresholds, spec.prices), seen, replay(seen, thresholds, spec.prices))


def draw_rows(spec: Spec, n: int, rng: np.random.Generator) -> Rows:
    """n rows: a tier fails where a latent difficulty, in part common to tiers and groups, is over its level."""
    sizes = rng.integers(1, GROUP_ROWS + 1, size=n) if spec.grouped else np.ones(n, dtype=np.int64)
    unit = np.repeat(np.arange(n), sizes)[:n]
    starts = np.flatnonzero(np.diff(unit, prepend=-1))
    rates = np.array([*spec.fails, spec.top_fails])
    own, common = rng.standard_normal((len(rates), n)), rng.standard_normal(n)
    if spec.grouped:
        effect = rng.standard_normal(n)[unit]
        common = np.sqrt(spec.group_effect) * effect + np.sqrt(1.0 - spec.group_effect) * common
    difficulty = np.sqrt(spec.shared) * common + np.sqrt(1.0 - spec.shared) * own
    levels = np.array([NormalDist().inv_cdf(1.0 - rate) for rate in rates])
    failed = difficulty > levels[:, None]
    cheap = failed[:-1]
    apart = np.sqrt(2.0) * NormalDist().inv_cdf(spec.auroc)
    scores = 1.0 / (1.0 + np.exp(-1.7 * (rng.standard_normal(cheap.shape) + apart * (cheap - 0.5))))
    if spec.levels is not None:
        scores = np.ceil(scores * spec.levels) / spec.levels
    quality = np.where(failed, 0.0, 1.0)
    if spec.graded:
        quality = HANDLED_AT * (quality + rng.random(failed.shape))
    return Rows(quality, failed, scores, starts)


def replay(rows: Rows, thresholds: FloatArray, prices: tuple[float, ...]) -> Policies:
    """Climb the tiers: a cheap answer with a score at most its threshold is final. `thresholds`: (G, cheap tiers)."""
    tiers = len(prices)
    accepts = rows.scores[None] <= thresholds[:, :, None]
    final = np.where(accepts.any(axis=1), accepts.argmax(axis=1), tiers)
    row = np.arange(rows.quality.shape[1])
    climbed = np.cumsum([*prices, 1.0])
    cheap = final < tiers
    return Policies(rows.quality[final, row], cheap, cheap & rows.failed[final, row], climbed[final])


def ladder(training: Rows, prices: tuple[float, ...]) -> FloatArray:
    """Thresholds of the policies in rising boldness, shape (G, cheap tiers).

    All tiers accept the same share of their own scores; a policy is kept when it bills one STEP less than the last that
    was kept, on the training sample, always-top being the first.
    """
    shares = np.linspace(0.0, 1.0, 201)[1:]
    candidates = np.quantile(training.scores, shares, axis=1)
    kept, last = [], 1.0
    for thresholds in candidates:
        bill = float(replay(training, thresholds[None], prices).bill.mean())
        if bill <= last - STEP:
            kept.append(thresholds)
            last = bill
    return np.array(kept).reshape(len(kept), len(prices))
