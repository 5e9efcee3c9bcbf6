"""Cascade routing: before and after every answer, the best set of tiers yet to call is weighed afresh.

Dekoninck, Baader, Vechev 2025: A Unified Approach to Routing and Cascading for LLMs. ICML 2025, arXiv 2410.10347.

A supermodel is a set of tiers called together; its quality is the expected maximum of the tiers' estimates, which are
normal around what is expected now, with the spread by which an answer moves them; its cost is the sum. With S already
called, the supermodel containing S of the largest quality - price x cost is chosen: if that is S itself, the answer of
S with the best estimate is returned, else its cheapest tier yet to call is called.

Adapted: estimates before answers are logistic on features and task, after answers logistic on these and the answers'
confidences and lengths, one fit for every set of called tiers (theirs are linear models for each benchmark); all 2^K
supermodels are weighed, so that no pruning is needed; expected maxima by 64 draws, the same for all rows. Without a
confidence an answer moves the estimates little, and what is left is routing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.replay.backtest.baselines.estimates import After, Before, fit_after, fit_before
from routenlp.replay.backtest.baselines.knobs import KnobLadder, even_prices, mean_cost, top_cost
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import Vectors

DRAWS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Sets of tiers are bit masks. All float32."""

    quality: Vectors
    """After the answers of each set, of each tier: (sets, n, tiers)."""
    worth: Vectors
    """With each set called, of each supermodel, the expected maximum: (sets, n, sets); -inf where one is missing."""
    cost: Vectors
    """Of each supermodel, in shares of always-top's mean: (n, sets)."""


@dataclass(frozen=True, slots=True, eq=False)
class Supermodels:
    """The fitted estimates."""

    before: Before
    after: tuple[After, ...]
    """By set; that of the empty set recalibrates the logits."""
    spread: Vectors
    """By how much the answer of each tier moves its estimate, with each set called: (sets, tiers)."""
    draws: Vectors
    """Standard normal, (draws, tiers)."""
    scale: float

    def see(self, rows: Rows) -> Seen:
        """All estimates of all sets: what a policy may look at is the set that it has called."""
        return self.weigh(rows, self.before.logits(rows))

    def weigh(self, rows: Rows, logits: Vectors) -> Seen:
        """The same from given logits before answers, (n, tiers)."""
        tiers = len(rows.tiers)
        quality = np.stack([fit.quality(rows, logits) for fit in self.after]).astype(np.float32)
        worth = np.stack([self._maxima(quality[called], called) for called in range(1 << tiers)])
        cost = (self.before.cost_usd(rows) / self.scale) @ _members(tiers).T
        return Seen(quality, worth, cost.astype(np.float32))

    def _maxima(self, quality: Vectors, called: int) -> Vectors:
        """(n, sets): by adding one tier after the other to the maximum of each draw."""
        tiers = quality.shape[1]
        found = np.full((len(quality), 1 << tiers), -np.inf, dtype=np.float32)
        known = [tier for tier in range(tiers) if called >> tier & 1]
        start = quality[:, known].max(axis=1) if known else np.full(len(quality), -np.inf, dtype=np.float32)
        maxima = {called: np.broadcast_to(start, (DRAWS, len(quality)))}
        found[:, called] = start
        for tier in set(range(tiers)) - set(known):
            drawn = quality[:, tier] + self.spread[called, tier] * self.draws[:, tier, None]
            for members, largest in list(maxima.items()):
                maxima[members | 1 << tier] = np.maximum(largest, drawn)
        for members, largest in maxima.items():
            if members != called:
                found[:, members] = largest.mean(axis=0)
        return found


def fit_cascade_routing(train: Rows, *, seed: int) -> KnobLadder[Seen, float]:
    """Prices of cost, from 0 up, after always-top."""
    fitted, held_out = fit_supermodels(train, seed=seed)
    seen = fitted.weigh(train, held_out)
    prices = even_prices(lambda price: mean_cost(train, decide(train, seen, price)), below=top_cost(train))
    return KnobLadder("cascade_routing", prices, fitted.see, decide, begins_at_top=True)


def fit_supermodels(train: Rows, *, seed: int) -> tuple[Supermodels, Vectors]:
    """The estimates, and the held-out logits of the training rows."""
    before = fit_before(train, seed=seed)
    held_out = before.quality.held_out
    tiers = len(train.tiers)
    sets = [[tier for tier in range(tiers) if members >> tier & 1] for members in range(1 << tiers)]
    after = tuple(fit_after(train, held_out, called, range(tiers)) for called in sets)
    quality = [fit.quality(train, held_out) for fit in after]
    moved = np.zeros((len(sets), tiers), dtype=np.float32)
    for called in range(len(sets)):
        for tier in set(range(tiers)) - set(sets[called]):
            moved[called, tier] = (quality[called | 1 << tier][:, tier] - quality[called][:, tier]).std()
    half = np.random.default_rng(seed).standard_normal((DRAWS // 2, tiers))
    draws = np.concatenate([half, -half]).astype(np.float32)  # in pairs, so that each tier's mean is kept exactly
    scale = top_cost(train) or 1.0
    return Supermodels(before, after, moved, draws, scale), held_out


def decide(rows: Rows, seen: Seen, price: float) -> Run:
    """Weigh, call, weigh again, until the best supermodel is the one called."""
    tiers = len(rows.tiers)
    members = _members(tiers).astype(np.bool_)
    called = np.zeros(rows.n, dtype=np.int64)
    every = np.arange(rows.n)
    cost = np.float32(price) * seen.cost
    going = every
    while len(going):
        value = seen.worth[called[going], going] - cost[going]
        value[called[going] == 0, 0] = -np.inf  # some answer there must be
        best = value.argmax(axis=1)
        more = best != called[going]
        going, best = going[more], best[more]
        called[going] |= 1 << _first_new(best, called[going], members)
    taken = members[called]
    final = np.where(taken, seen.quality[called, every], -np.inf).argmax(axis=1)
    return Run(final.astype(np.int64), taken)


def _first_new(best: NDArray[np.int64], called: NDArray[np.int64], members: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Position of the cheapest tier of each supermodel that is not called yet."""
    return np.asarray((members[best] & ~members[called]).argmax(axis=1))


def _members(tiers: int) -> Vectors:
    """(sets, tiers): 1 where the set has the tier."""
    return np.array([[members >> tier & 1 for tier in range(tiers)] for members in range(1 << tiers)], dtype=np.float32)
