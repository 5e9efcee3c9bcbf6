"""About 30 policies of rising boldness, fixed on the training fold: what certification walks along.

Boldness is a path through the two knobs of the continuation rule: from always-top, the margin falls as the price rises.
Along it, replayed on held-out estimates of the training rows, a policy is taken wherever the cost has fallen by
another `STEP` of always-top's, and at its end the cheapest of all. Prices are tried where the cost still jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import ALWAYS_TOP, Reach, Utility
from routenlp.cascade.estimates import Evidence
from routenlp.replay.backtest.continuation import Timed, reachable, replay, timed
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
NEAR = 1.001
"""Prices nearer to each other than this factor have a jump between them that no price fills."""
SURELY = 2.0
"""Standard errors by which looking ahead must be worth more at a price: it asks more tiers, so it has to pay."""
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

    Where a second tier may be called, a policy looks ahead if at its price that is worth more on training rows. With an
    `sla` every policy but always-top has its limits. `step`: as `STEP`, which suits a walk; a finer one
    suits a choice by quality.
    """
    name = "routenlp" if reach is Reach.DEARER else f"routenlp:{reach.value}"
    hurry = None if sla is None else hurried(sla, fitted, train, reach)
    weighs: list[Weigh] = [without_options]
    if reach is not Reach.ONCE:
        weighs.append(_looking_ahead(fitted, train, reach, seed))
    member = np.unique(train.groups, return_inverse=True)[1]
    tries = _Tries(fitted, train, reach, weighs, hurry, timed(train, fitted.latency.held_out), member)
    return ContinuationLadder(name, fitted, _climb(tries, step), reach)


def without_options(price: float) -> Utility:
    """The rule without look-ahead."""
    return Utility(price, MARGIN_FALL / price)


def _looking_ahead(fitted: FittedContinuation, train: Rows, reach: Reach, seed: int) -> Weigh:
    some = np.sort(np.random.default_rng(seed).permutation(train.n)[:LOOKAHEAD_ROWS])
    held_out = np.ascontiguousarray(fitted.held_out[:, some])
    quality, relative_cost = train.quality[some], fitted.held_out_cost[some]
    return lambda price: fit_options(held_out, quality, relative_cost, price, MARGIN_FALL / price, reach)


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A policy on held-out estimates of the training rows."""

    price: float
    utility: Utility
    cost: float
    """Of always-top's."""
    worth: FloatArray
    """Quality, with the margin, less price x cost, which is what the policy is there to maximise; shape (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tries:
    """Tries policies on the training rows."""

    fitted: FittedContinuation
    train: Rows
    reach: Reach
    weighs: Sequence[Weigh]
    """Ways from a price to a utility, the one that asks fewest tiers first."""
    hurry: Hurry | None
    when: Timed
    member: NDArray[np.int64]
    """Of each row, its group, shape (n,)."""

    def at(self, price: float) -> _Tried:
        """The first way, or a later one that is worth more by `SURELY` standard errors over groups."""
        best, *others = [self._try(price, weigh(price)) for weigh in self.weighs]
        for other in others:
            gain = other.worth - best.worth
            sums = np.bincount(self.member, weights=gain - gain.mean())
            if gain.mean() > SURELY * float(np.sqrt(sums @ sums)) / len(gain):
                best = other
        return best

    def _try(self, price: float, utility: Utility) -> _Tried:
        fitted, train = self.fitted, self.train
        weighed = utility if self.hurry is None else self.hurry(utility)
        run = replay(fitted.held_out, fitted.held_out_cost, weighed, self.reach, self.when)
        cost = run.cost_usd(train) / fitted.top_cost_usd
        bonus = weighed.margin * (run.final == len(train.tiers) - 1)
        return _Tried(price, weighed, float(cost.mean()), run.quality(train) + bonus - price * cost)


def _climb(tries: _Tries, step: float) -> tuple[Utility, ...]:
    found = [tries.at(float(price)) for price in FEWEST_PRICES]
    while len(found) < MOST_PRICES * STEP / step:
        cost, price = (np.array([getattr(entry, name) for entry in found]) for name in ("cost", "price"))
        jump = np.where(price[1:] > NEAR * price[:-1], np.abs(np.diff(cost)), 0.0)
        widest = int(jump.argmax())
        if jump[widest] <= 1.5 * step:
            break
        found.insert(widest + 1, tries.at(float(np.sqrt(price[widest] * price[widest + 1]))))
    return _thinned(found, step)


def _thinned(found: Sequence[_Tried], step: float) -> tuple[Utility, ...]:
    chosen, cost = [ALWAYS_TOP], 1.0
    for entry in found:
        if entry.cost <= cost - step:
            chosen.append(entry.utility)
            cost = entry.cost
    boldest = min(found, key=lambda entry: entry.cost)
    if boldest.cost < cost - _ROUNDING:
        chosen.append(boldest.utility)
    return tuple(chosen)


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
