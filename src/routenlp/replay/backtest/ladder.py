"""About 30 policies of rising boldness, fixed on the training fold: what certification walks along.

Boldness is a path through the two knobs of the continuation rule: from always-top, the margin falls as the price rises.
Along it, replayed on held-out estimates of the training rows, a policy is taken wherever the cost has fallen by
another `STEP` of always-top's, and at its end the cheapest of all. Prices are tried where the cost still jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import ALWAYS_TOP, Reach, Utility
from routenlp.cascade.estimates import Evidence
from routenlp.replay.backtest.continuation import reachable, replay, timed
from routenlp.replay.backtest.measures import aiq, quality_cost_hull
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.replay.backtest.sla import Hurry, Sla, hurried
from routenlp.training.continuation import FittedContinuation, PreferredRows, TrainingRows, fit_continuation_rule
from routenlp.training.lookahead import fit_options
from routenlp.training.token_fit import TokenRows
from routenlp.types import FloatArray

STEP = 0.02
"""Of always-top's cost: between one policy and the next, at least; only the cheapest of all may be nearer."""
FEWEST_PRICES = np.geomspace(1e-3, 30.0, 16)
MOST_PRICES = 64
MARGIN_FALL = 0.002
"""margin = this / price: at prices where policies pay off, some 0.1 to 0.5, a slight preference for the top is left."""
LEAST_GAIN = 0.001
"""In mean quality over all costs, that looking ahead must bring: it asks more tiers, so it has to be worth it."""
LOOKAHEAD_ROWS = 6_000
"""Options have six weights each: more rows only take time."""
_ROUNDING = 1e-9
_KEPT = 3
"""Folds whose estimates are remembered: train, calibrate, test."""

Weigh = Callable[[float], Utility]
"""From a price to a whole utility."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Every estimate for some rows."""

    quality: FloatArray
    """q_k(x, S), shape (states, n, K)."""
    relative_cost: FloatArray
    """c_k(x) / c_top, shape (n, K)."""
    log_median: FloatArray | None
    """ln of the seconds expected, shape (n, K); None where none are."""


@dataclass(frozen=True, slots=True, eq=False)
class ContinuationLadder:
    """A `Ladder` of continuation rules over one set of estimates. Not for several threads at once."""

    name: str
    fitted: FittedContinuation
    utilities: tuple[Utility, ...]
    reach: Reach
    _kept: list[tuple[Rows, Seen]] = field(default_factory=list, repr=False)

    @property
    def size(self) -> int:
        """Number of policies, always-top among them."""
        return len(self.utilities)

    def run(self, rows: Rows, step: int) -> Run:
        """Policy number `step`; 0 is always-top. Raises IndexError where there is none of that number."""
        if not 0 <= step < self.size:
            raise IndexError(f"{self.name} has policies 0 to {self.size - 1}, not {step}")
        seen = self.see(rows)
        at = timed(rows, seen.log_median)
        return replay(seen.quality, seen.relative_cost, self.utilities[step], self.reach, at)

    def rule(self, step: int, rows: Rows, of_task: Mapping[str, int] | None = None) -> ContinuationRule:
        """The same policy as a stop rule for the machine. `rows` names tiers and tasks.

        `of_task`: tasks with a policy of their own, by its number, such as the one certified on their own rows.
        Its routes must carry the cost estimates that `run` uses; where they do not, it takes the tiers' mean costs.
        """
        fitted = self.fitted
        mean_cost = fitted.cost.mean * fitted.top_cost_usd
        return ContinuationRule(
            rows.tiers,
            rows.task_names,
            fitted.quality,
            mean_cost,
            fitted.top_cost_usd,
            self.utilities[step],
            self.reach,
            {task: self.utilities[own] for task, own in (of_task or {}).items()},
        )

    def see(self, rows: Rows) -> Seen:
        """All estimates. Remembered, as policies are run one after the other on the same rows."""
        for kept, seen in self._kept:
            if kept is rows:
                return seen
        seen = self._estimate(rows)
        self._kept.append((rows, seen))
        del self._kept[:-_KEPT]
        return seen

    def _estimate(self, rows: Rows) -> Seen:
        expected = self.fitted.router.estimate(rows.features, rows.task)
        evidence = Evidence(rows.task, expected, rows.confidence, rows.answer_length)
        columns = self.fitted.quality.columns(evidence)
        tiers = len(rows.tiers)
        out = np.zeros((2**tiers, rows.n, tiers))
        for state in range(2**tiers):
            if reachable(state, self.reach):
                out[state] = self.fitted.quality.predict(evidence, state, columns)
        head = self.fitted.latency.model
        log_median = None if head is None else head.estimate(rows.features, rows.task)
        return Seen(out, self.fitted.cost.estimate(rows.features, rows.task), log_median)


def fit_continuation(
    train: Rows,
    seed: int,
    reach: Reach = Reach.DEARER,
    sla: Sla | None = None,
    tokens: TokenRows | None = None,
    preferred: PreferredRows | None = None,
) -> ContinuationLadder:
    """Estimates and ladder from the training fold alone. Raises `TrainingError` where it is too small.

    `tokens`: of the same rows, where costs are to be expected from them. `preferred`: preferences beside the outcomes.
    """
    rows = replace(training_rows(train), tokens=tokens, preferred=preferred)
    fitted = fit_continuation_rule(rows, seed=seed)
    return ladder_of(fitted, train, reach, seed=seed, sla=sla)


def ladder_of(
    fitted: FittedContinuation, train: Rows, reach: Reach, *, seed: int, sla: Sla | None = None, step: float = STEP
) -> ContinuationLadder:
    """The ladder alone, for estimates already fitted on the same rows.

    Where a second tier may be called, it looks ahead if that gave the better curve of quality over cost on training
    rows. With an `sla` every policy but always-top has its limits. `step`: as `STEP`, which suits a walk; a finer one
    suits a choice by quality.
    """
    name = "routenlp" if reach is Reach.DEARER else f"routenlp:{reach.value}"
    hurry = None if sla is None else hurried(sla, fitted, train, reach)
    better = _climb(fitted, train, reach, without_options, hurry, step)
    if reach is not Reach.ONCE:
        ahead = _climb(fitted, train, reach, _looking_ahead(fitted, train, reach, seed), hurry, step)
        better = ahead if _area(ahead, better) > _area(better, ahead) + LEAST_GAIN else better
    return ContinuationLadder(name, fitted, better.utilities, reach)


def without_options(price: float) -> Utility:
    """The rule without look-ahead."""
    return Utility(price, MARGIN_FALL / price)


@dataclass(frozen=True, slots=True, eq=False)
class _Climbed:
    """Policies by rising boldness with their means on the training rows."""

    utilities: tuple[Utility, ...]
    cost: FloatArray
    """Of always-top's."""
    quality: FloatArray


def _area(mine: _Climbed, other: _Climbed) -> float:
    cheapest = max(mine.cost.min(), other.cost.min())
    return aiq(quality_cost_hull(mine.cost, mine.quality), float(min(cheapest, 0.99)), 1.0)


def _looking_ahead(fitted: FittedContinuation, train: Rows, reach: Reach, seed: int) -> Weigh:
    some = np.sort(np.random.default_rng(seed).permutation(train.n)[:LOOKAHEAD_ROWS])
    held_out = np.ascontiguousarray(fitted.held_out[:, some])
    quality, relative_cost = train.quality[some], fitted.held_out_cost[some]
    return lambda price: fit_options(held_out, quality, relative_cost, price, MARGIN_FALL / price, reach)


def _climb(
    fitted: FittedContinuation, train: Rows, reach: Reach, weigh: Weigh, hurry: Hurry | None, step: float
) -> _Climbed:
    relative_cost, always_top = fitted.held_out_cost, fitted.top_cost_usd
    at = timed(train, fitted.latency.held_out)

    def tried(price: float) -> tuple[float, Utility, float, float]:
        utility = weigh(price) if hurry is None else hurry(weigh(price))
        run = replay(fitted.held_out, relative_cost, utility, reach, at)
        return price, utility, float(run.cost_usd(train).mean()) / always_top, float(run.quality(train).mean())

    found = [tried(float(price)) for price in FEWEST_PRICES]
    while len(found) < MOST_PRICES * STEP / step:
        cost = np.array([1.0, *(entry[2] for entry in found)])
        jump = np.abs(np.diff(cost))[1:]
        widest = int(jump.argmax())
        if jump[widest] <= 1.5 * step:
            break
        between = float(np.sqrt(found[widest][0] * found[widest + 1][0]))
        found.insert(widest + 1, tried(between))
    return _thinned(found, float(train.quality[:, -1].mean()), step)


def _thinned(found: list[tuple[float, Utility, float, float]], top_quality: float, step: float) -> _Climbed:
    chosen = [(ALWAYS_TOP, 1.0, top_quality)]
    for _, utility, cost, quality in found:
        if cost <= chosen[-1][1] - step:
            chosen.append((utility, cost, quality))
    boldest = min(found, key=lambda entry: entry[2])
    if boldest[2] < chosen[-1][1] - _ROUNDING:
        chosen.append(boldest[1:])
    utilities, costs, qualities = zip(*chosen, strict=True)
    return _Climbed(utilities, np.array(costs), np.array(qualities))


def training_rows(rows: Rows) -> TrainingRows:
    """The same rows, as fitting reads them."""
    return TrainingRows(
        tasks=len(rows.task_names),
        task=rows.task,
        features=rows.features,
        quality=rows.quality,
        cost_usd=rows.cost_usd,
        confidence=rows.confidence,
        length=rows.answer_length,
        groups=rows.groups,
        latency_s=rows.latency_s,
    )
