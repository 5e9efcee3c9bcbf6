"""How sure a figure of the bench is: intervals, paired comparisons, and what grouping costs.

Rows of one group (a contract, a dialogue, a company) resemble each other, so they are no independent
evidence. Where a figure is a ratio of sums, whole groups are drawn with replacement, and every system is
looked at under the same draws: what systems share (an unusually hard contract drawn twice) then cancels in
their difference. Proportions and quantiles have closed forms, which hold for independent rows;
`design_effect` says how far a table's rows are from that.

An interval that the data cannot give has None for a bound. It is never written as 0 or as infinity.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray

DRAWS = 10_000
_CELLS_A_CHUNK = 1_000_000
"""Group draws held at once: some 30 MB, whatever the number of draws."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its two-sided interval; None is what the data does not say."""

    estimate: float | None
    low: float | None
    high: float | None


UNKNOWN = Interval(None, None, None)


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson 1927), for n independent rows. Nothing is known at n = 0."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} rows")
    return wilson_share(successes / n, n, confidence=confidence) if n else UNKNOWN


def wilson_share(share: float, n: float, *, confidence: float = 0.95) -> Interval:
    """The same for rows that are worth n independent ones, which need not be whole. n > 0."""
    z2 = _z(confidence) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # At the ends the bound equals the estimate exactly; rounding must not put it beyond.
    low = 0.0 if share == 0.0 else centre - half
    high = 1.0 if share == 1.0 else centre + half
    return Interval(share, low, high)


def quantile_interval(values: Sequence[float] | FloatArray, q: float, *, confidence: float = 0.95) -> Interval:
    """The q-quantile with an interval between two order statistics, free of any distribution.

    The number of independent values under the true quantile is binomial (n, q), so that ranks l and u exist
    with P(true quantile < l-th) and P(true quantile > u-th) each at most (1 - confidence) / 2 (David and
    Nagaraja 2003, section 7.1). A bound is None when n is too small for such a rank: the upper one of a p99
    needs 368 values at 95%. The estimate is the observed value of rank ceil(n q).
    """
    if not 0.0 < q < 1.0:
        raise ValueError(f"quantile {q} is not in (0, 1)")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if n == 0:
        return UNKNOWN
    tail = (1.0 - confidence) / 2.0
    at_most = _binomial_cdf(n, q)
    low_rank = int(np.count_nonzero(at_most <= tail))
    high_rank = int(np.count_nonzero(at_most < 1.0 - tail)) + 1
    return Interval(
        # A product such as 100 * 0.29 lies just over 29 in floating point; that must not cost a rank.
        estimate=float(ordered[max(math.ceil(n * q - 1e-9), 1) - 1]),
        low=float(ordered[low_rank - 1]) if low_rank >= 1 else None,
        high=float(ordered[high_rank - 1]) if high_rank <= n else None,
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that two systems handle equally many of the same rows (McNemar 1947).

    `only_first` and `only_second` count the rows that one system handled and the other did not; rows on which
    they agree say nothing. 1.0 when there are none that differ.
    """
    differ = only_first + only_second
    term = below = 1
    for k in range(min(only_first, only_second)):
        term = term * (differ - k) // (k + 1)
        below += term
    return float(min(1.0, 2 * below / 2**differ))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p-values adjusted for testing all of them (Holm 1979), by the same names, in the same order.

    Rejecting those at most delta keeps the chance of any false rejection at delta, however the tests depend
    on each other.
    """
    adjusted: dict[str, float] = {}
    floor = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        floor = max(floor, min(1.0, p_values[name] * (len(p_values) - rank)))
        adjusted[name] = floor
    return {name: adjusted[name] for name in p_values}


def design_effect(values: Sequence[float] | FloatArray, groups: Sequence[str]) -> float | None:
    """Variance of the mean under groups over its variance had the rows been independent (Kish 1965).

    n / design effect is the number of independent rows that say as much. None under two groups, and where all
    values are equal.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(groups) != len(x):
        raise ValueError(f"{len(x)} values, where {len(groups)} are grouped")
    member, count = _membership(groups)
    if count < 2 or np.ptp(x) == 0.0:
        return None
    residuals = x - x.mean()
    group_sums = np.bincount(member, weights=residuals, minlength=count)
    grouped = count / (count - 1) * float(group_sums @ group_sums)
    independent = len(x) / (len(x) - 1) * float(residuals @ residuals)
    return grouped / independent


@dataclass(frozen=True, slots=True)
class RowRatio:
    """One system's figure, row by row: sum(numerators) / sum(denominators). Both of shape (rows,)."""

    numerators: FloatArray
    denominators: FloatArray


@dataclass(frozen=True, slots=True)
class RatioDraws:
    """Ratios of several systems under the same draws of groups."""

    estimates: Mapping[str, float | None]
    """By system, on the rows as they are; None where the denominators sum to 0."""
    draws: Mapping[str, FloatArray]
    """By system, shape (draws,); NaN in a draw whose denominators sum to 0. Empty under two groups."""
    confidence: float

    def interval(self, system: str) -> Interval:
        """Percentile interval of one system's ratio."""
        return percentile(self.estimates[system], self.draws[system], self.confidence)

    def difference(self, first: str, second: str) -> Interval:
        """Percentile interval of first minus second, draw by draw."""
        left, right = self.estimates[first], self.estimates[second]
        estimate = None if left is None or right is None else left - right
        return percentile(estimate, self.draws[first] - self.draws[second], self.confidence)


def paired_bootstrap(
    systems: Mapping[str, RowRatio],
    groups: Sequence[str],
    *,
    seed: int,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> RatioDraws:
    """Draws groups with replacement, as many as there are, and takes every system's ratio of sums each time.

    `groups` names each row's group. The draws follow from `seed` and the set of groups alone: tasks with
    different groups are drawn independently, and two calls over the same groups share their draws. Under two
    groups nothing can be said, and the intervals have no bounds.
    """
    for name, ratio in systems.items():
        rows = (len(ratio.numerators), len(ratio.denominators))
        if rows != (len(groups), len(groups)):
            raise ValueError(f"{name!r} has {rows[0]} and {rows[1]} rows, where {len(groups)} are grouped")
    if not systems:
        return RatioDraws({}, {}, confidence)
    columns = np.stack([c for ratio in systems.values() for c in (ratio.numerators, ratio.denominators)], axis=1)
    whole, drawn = group_draws(columns, groups, seed=seed, draws=draws)
    estimates = {name: _ratio_or_none(whole[2 * i : 2 * i + 2]) for i, name in enumerate(systems)}
    if not len(drawn):
        return RatioDraws(estimates, dict.fromkeys(systems, np.empty(0)), confidence)
    numerators, denominators = drawn[:, 0::2], drawn[:, 1::2]
    ratios = np.full_like(numerators, np.nan)
    np.divide(numerators, denominators, out=ratios, where=denominators != 0.0)
    return RatioDraws(estimates, {name: ratios[:, i] for i, name in enumerate(systems)}, confidence)


def group_draws(
    columns: FloatArray, groups: Sequence[str], *, seed: int, draws: int = DRAWS
) -> tuple[FloatArray, FloatArray]:
    """Sums of `columns`, shape (rows, m), over the rows as they are, shape (m,), and over each draw of whole groups,
    shape (draws, m): no draws under two groups. What is drawn follows from `seed` and the set of groups alone."""
    member, count = _membership(groups)
    sums = np.stack([np.bincount(member, weights=column, minlength=count) for column in columns.T], axis=1)
    if count < 2:
        return sums.sum(axis=0), np.empty((0, columns.shape[1]))
    rng = np.random.default_rng([seed, _fingerprint(groups)])
    return sums.sum(axis=0), np.concatenate([weights @ sums for weights in _weights(rng, count, draws)])


def percentile(estimate: float | None, draws: FloatArray, confidence: float = 0.95) -> Interval:
    """Percentile interval of a figure from its value in each draw, NaN where it has none.

    No bounds where more draws are undefined than the interval may miss: they could lie anywhere.
    """
    defined = draws[~np.isnan(draws)]
    tail = (1.0 - confidence) / 2.0
    if estimate is None or len(draws) == 0 or len(draws) - len(defined) > tail * len(draws):
        return Interval(estimate, None, None)
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return Interval(estimate, float(low), float(high))


def over_tasks(tasks: Sequence[RatioDraws], weights: Sequence[float] | None = None) -> RatioDraws:
    """The mean over tasks of each system's ratio, draw by draw: every task counts the same, or by `weights`.

    All tasks name the same systems and were drawn equally often. A system without a figure on one task has no
    mean; a task without draws leaves the mean without bounds.
    """
    if not tasks:
        raise ValueError("no tasks to take a mean over")
    share = np.asarray([1.0] * len(tasks) if weights is None else weights, dtype=np.float64)
    share = share / share.sum()
    estimates: dict[str, float | None] = {}
    draws: dict[str, FloatArray] = {}
    for system in tasks[0].estimates:
        known = [value for task in tasks if (value := task.estimates[system]) is not None]
        complete = len(known) == len(tasks)
        estimates[system] = math.fsum(w * v for w, v in zip(share, known, strict=True)) if complete else None
        columns = [task.draws[system] for task in tasks]
        drawn = all(len(column) for column in columns)
        draws[system] = share @ np.stack(columns) if drawn else np.empty(0)
    return RatioDraws(estimates, draws, tasks[0].confidence)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2.0)


def _binomial_cdf(n: int, p: float) -> FloatArray:
    """P(B <= k) for k = 0 .. n - 1, B binomial (n, p)."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    k = np.arange(n)
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    return np.cumsum(np.exp(log_choose + k * math.log(p) + (n - k) * math.log1p(-p)))


def _membership(groups: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """Each row's group as a number in the order of names, and how many groups there are."""
    number = {name: i for i, name in enumerate(sorted(set(groups)))}
    return np.array([number[name] for name in groups], dtype=np.int64), len(number)


def _fingerprint(groups: Sequence[str]) -> int:
    names = "\0".join(sorted(set(groups)))
    return int.from_bytes(hashlib.sha256(names.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _weights(rng: np.random.Generator, count: int, draws: int) -> Iterator[FloatArray]:
    """How often each group was drawn, multinomial: blocks of shape (some draws, groups)."""
    block = max(1, _CELLS_A_CHUNK // count)
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        picks = rng.integers(0, count, size=(rows, count))
        picks += np.arange(rows)[:, None] * count
        yield np.bincount(picks.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float64)


def _ratio_or_none(sums: FloatArray) -> float | None:
    return float(sums[0] / sums[1]) if sums[1] != 0.0 else None
