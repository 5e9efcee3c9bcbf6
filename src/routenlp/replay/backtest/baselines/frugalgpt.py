"""FrugalGPT: a list of tiers called one after the other, each answer taken if its score is high enough.

Chen, Zaharia, Zou 2023: FrugalGPT: How to Use Large Language Models While Reducing Cost and Improving Performance.
arXiv 2305.05176, section 3 (LLM cascade); TMLR, December 2024.

A scorer g(query, answer) per tier is fitted to predict whether the answer is right; for each budget the list of at most
three tiers and its thresholds are searched for that are best on the training rows. Adapted: the scorer is logistic on
the query's features, the tasks, the answer's confidence and its length, where theirs is a DistilBERT that reads query
and answer; thresholds are searched over quantiles, every list exhaustively, where theirs is pruned and interpolated.
Without a confidence the score is a guess from the query and the length alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from routenlp.replay.backtest.baselines.cascades import climb
from routenlp.replay.backtest.baselines.estimates import fit_after, fit_before
from routenlp.replay.backtest.baselines.knobs import KnobLadder, frontier, top_cost
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray

LONGEST = 3
LEVELS = np.linspace(0.0, 1.0, 21)
"""Shares of a tier's answers that a threshold lets pass, on the training rows."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Tiers to call in this order, and for each but the last the least score that is taken."""

    tiers: tuple[int, ...]
    thresholds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cascade with its means on the training rows."""

    cascade: Cascade
    quality: float
    cost_usd: float


def fit_frugalgpt(train: Rows, *, seed: int) -> KnobLadder[FloatArray, Cascade]:
    """The best cascade at each of about thirty budgets, after always-top."""
    before = fit_before(train, seed=seed)
    tiers = range(len(train.tiers))
    after = [fit_after(train, before.quality.held_out, (tier,), (tier,)) for tier in tiers]

    def see(rows: Rows) -> FloatArray:
        logits = before.logits(rows)
        return np.concatenate([scorer.quality(rows, logits) for scorer in after], axis=1)

    def decide(rows: Rows, scores: FloatArray, cascade: Cascade) -> Run:
        return climb(scores >= _by_tier(cascade, len(rows.tiers)), _member(cascade, len(rows.tiers)))

    held_out = np.concatenate([scorer.quality(train, before.quality.held_out) for scorer in after], axis=1)
    found = list(candidates(train, held_out))
    chosen = frontier(
        np.array([c.cost_usd for c in found]), np.array([c.quality for c in found]), below=top_cost(train)
    )
    return KnobLadder("frugalgpt", tuple(found[at].cascade for at in chosen), see, decide, begins_at_top=True)


def candidates(train: Rows, scores: FloatArray) -> Iterator[Candidate]:
    """Every list of at most three tiers, cheapest first, at every pair of thresholds. `scores`: (n, tiers)."""
    levels = np.concatenate([[np.inf], np.quantile(scores, 1.0 - LEVELS[1:-1], axis=0).T.ravel(), [-np.inf]])
    inner = levels[1:-1].reshape(len(train.tiers), -1)
    quality, cost = train.quality, train.cost_usd
    for tier in range(len(train.tiers)):
        yield Candidate(Cascade((tier,), ()), float(quality[:, tier].mean()), float(cost[:, tier].mean()))
    for first, last in combinations(range(len(train.tiers)), 2):
        up = scores[:, [first]] < inner[first]
        mean_quality = (quality[:, first, None] + up * (quality[:, [last]] - quality[:, [first]])).mean(axis=0)
        mean_cost = (cost[:, first, None] + up * cost[:, [last]]).mean(axis=0)
        for at, threshold in enumerate(inner[first]):
            cascade = Cascade((first, last), (float(threshold),))
            yield Candidate(cascade, float(mean_quality[at]), float(mean_cost[at]))
    for three in combinations(range(len(train.tiers)), LONGEST):
        yield from _threes(train, scores, three, inner)


def _threes(train: Rows, scores: FloatArray, tiers: tuple[int, ...], levels: FloatArray) -> Iterator[Candidate]:
    first, second, last = tiers
    quality, cost = train.quality, train.cost_usd
    up = (scores[:, [first]] < levels[first]).astype(np.float64)
    further = (scores[:, [second]] < levels[second]).astype(np.float64)

    def mean(at_first: FloatArray, at_second: FloatArray, at_last: FloatArray) -> FloatArray:
        """Over thresholds (of first, of second), of what each further call adds."""
        total = at_first.sum() + (up.T @ at_second)[:, None] + up.T @ (further * at_last[:, None])
        return np.asarray(total / train.n)

    gain = [quality[:, first], quality[:, second] - quality[:, first], quality[:, last] - quality[:, second]]
    mean_quality = mean(*gain)
    mean_cost = mean(cost[:, first], cost[:, second], cost[:, last])
    for i, low in enumerate(levels[first]):
        for j, high in enumerate(levels[second]):
            cascade = Cascade(tiers, (float(low), float(high)))
            yield Candidate(cascade, float(mean_quality[i, j]), float(mean_cost[i, j]))


def _by_tier(cascade: Cascade, tiers: int) -> FloatArray:
    """Thresholds, (tiers,): the last of the cascade takes any answer."""
    thresholds = np.full(tiers, -np.inf)
    thresholds[list(cascade.tiers[:-1])] = cascade.thresholds
    return thresholds


def _member(cascade: Cascade, tiers: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(np.arange(tiers), cascade.tiers)
