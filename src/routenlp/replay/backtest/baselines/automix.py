"""AutoMix: the smallest tier answers and is checked; a decision process on noisy checks says whether to go on.

Aggarwal, Madaan, Anand, Potharaju, Mishra, Zhou, Gupta, Rajagopal, Kappaganthu, Yang, Upadhyay, Faruqui, Mausam 2024:
AutoMix: Automatically Mixing Language Models. NeurIPS 2024, arXiv 2310.12963.

Both of its deciders, of which the better one on the training rows is kept. AutoMix-T: accept at a threshold.
AutoMix-P: a partially observed decision process. Its hidden state is the cheapest tier that handles the query, or that
none does (for two tiers their simple, complex and unsolvable); each check is a noisy sight of it; with the belief so
far, stop or call any dearer tier by expected quality - price x cost.

Adapted: the recorded confidence stands for the share of self-verifications that said yes, in bins for their kernel
density; the prior over states is each task's, which they do not have; the process is solved exactly, backwards over
all histories of checks. The query's features go unused, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.replay.backtest.baselines.cascades import climb
from routenlp.replay.backtest.baselines.inputs import task_means
from routenlp.replay.backtest.baselines.knobs import (
    STEPS,
    KnobLadder,
    even_prices,
    mean_cost,
    nothing,
    spread,
    top_cost,
)
from routenlp.replay.backtest.baselines.paper import handled_answers
from routenlp.replay.backtest.measures import aiq, quality_cost_hull
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray

MOST_BINS = 10
MOST_HISTORIES = 2500
"""Bins are made coarser with more tiers, so that all histories of checks stay few."""
Ints = NDArray[np.int64]


def fit_automix(train: Rows, *, seed: int) -> KnobLadder[None, FloatArray] | KnobLadder[Ints, Ints]:  # noqa: ARG001
    """Nothing here is random. Raises `TrainingError` where no tier under the top one has a confidence."""
    if np.isnan(train.confidence[:, :-1]).all():
        problem = "no tier under the top one has a confidence, and it decides by nothing else"
        raise TrainingError("baseline automix", problem, "Record a column `confidence`, or leave this baseline out.")
    by_threshold, by_belief = threshold_ladder(train), belief_ladder(train)
    return by_threshold if _area(train, by_threshold) > _area(train, by_belief) else by_belief


def threshold_ladder(train: Rows) -> KnobLadder[None, FloatArray]:
    """AutoMix-T: of every tier the same share of its surest answers is accepted; shares from 0 to 1."""
    knobs = [_surest(train, share) for share in np.linspace(0.0, 1.0, STEPS)]

    def decide(rows: Rows, _: None, least: FloatArray) -> Run:
        return climb(rows.confidence >= least, np.ones(len(rows.tiers), dtype=np.bool_))

    chosen = spread(np.array([mean_cost(train, decide(train, None, knob)) for knob in knobs]))
    return KnobLadder("automix", tuple(knobs[at] for at in chosen), nothing, decide)


def belief_ladder(train: Rows) -> KnobLadder[Ints, Ints]:
    """AutoMix-P: prices of cost from 0 up, each solved to a table of what to do after each history."""
    process = fit_process(train)
    seen = process.sights(train)

    def decide(rows: Rows, sights: Ints, actions: Ints) -> Run:
        return process.follow(rows.task, sights, actions)

    def cost_of(actions: Ints) -> float:
        return mean_cost(train, decide(train, seen, actions))

    always_on = np.full_like(process.solve(0.0), len(train.tiers) - 1)  # whatever the check says, on to the top tier
    prices = even_prices(lambda price: cost_of(process.solve(price)), below=cost_of(always_on))
    knobs = (always_on, *(process.solve(price) for price in prices))
    return KnobLadder("automix", knobs, process.sights, decide)


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """A history has a digit for each tier under the top one: 0 not called, 1 to bins a check, then one for no check."""

    edges: FloatArray
    """Of the bins of each tier's confidence, (tiers - 1, bins - 1)."""
    quality: FloatArray
    """Expected of each tier, after each history: (histories, tasks, tiers)."""
    sight: FloatArray
    """Chance of each digit that is not 0, if a tier were called now: (histories, tasks, tiers - 1, bins + 1)."""
    cost: FloatArray
    """(tasks, tiers), in shares of always-top's mean."""

    @property
    def base(self) -> int:
        """Number of digits."""
        return int(self.edges.shape[1]) + 3

    def sights(self, rows: Rows) -> Ints:
        """Digit that each tier's answer would add, (n, tiers - 1)."""
        columns = [_digits(rows.confidence[:, tier], edges) for tier, edges in enumerate(self.edges)]
        return np.stack(columns, axis=1)

    def solve(self, price: float) -> Ints:
        """Tier to call after each history, (histories, tasks); the last one called again means to stop."""
        base, under_top = self.base, len(self.edges)
        shape = len(self.quality), len(self.cost)
        action, value = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        for last in range(under_top - 1, -1, -1):
            at = np.arange(base**last, base ** (last + 1))  # histories whose last call was `last`
            best, choice = self.quality[at, :, last], np.full((len(at), len(self.cost)), last)
            for tier in range(last + 1, under_top + 1):
                worth = self._worth(at, tier, value) - price * self.cost[:, tier]
                better = worth > best
                best, choice = np.where(better, worth, best), np.where(better, tier, choice)
            value[at], action[at] = best, choice
        return action

    def _worth(self, at: Ints, tier: int, value: FloatArray) -> FloatArray:
        """Of calling `tier` after the histories `at`, without its cost: (histories, tasks)."""
        if tier == len(self.edges):
            return self.quality[at, :, tier]
        after = value[at[:, None] + np.arange(1, self.base) * self.base**tier]
        return np.asarray(np.einsum("hdt,htd->ht", after, self.sight[at, :, tier]))

    def follow(self, task: Ints, sights: Ints, actions: Ints) -> Run:
        """What happens to queries whose answers would be seen as `sights`. All begin at the cheapest tier."""
        base, under_top = self.base, len(self.edges)
        final = np.zeros(len(task), dtype=np.int64)
        history = sights[:, 0].copy()
        called = np.zeros((len(task), under_top + 1), dtype=np.bool_)
        called[:, 0] = True
        for _ in range(under_top):
            going = np.flatnonzero(final < under_top)
            tier = actions[history[going], task[going]]
            new = tier > final[going]
            going, tier = going[new], tier[new]
            final[going], called[going, tier] = tier, True
            checked = tier < under_top
            going, tier = going[checked], tier[checked]
            history[going] += sights[going, tier] * base**tier
        return Run(final, called)


def fit_process(train: Rows) -> Process:
    """Shares of states by task, of checks by state, and mean quality by state, each with a little smoothing."""
    under_top = len(train.tiers) - 1
    bins = min(MOST_BINS, max(2, int(MOST_HISTORIES ** (1.0 / under_top)) - 2))
    handled = handled_answers(train)
    state = np.where(handled.any(axis=1), handled.argmax(axis=1), under_top + 1)
    in_state = np.eye(under_top + 2)[state]
    count = in_state.sum(axis=0)
    quality = (in_state.T @ train.quality + train.quality.mean(axis=0)) / (count + 1.0)[:, None]
    edges = np.stack([_edges(train.confidence[:, tier], bins) for tier in range(under_top)])
    seen = [_digits(train.confidence[:, tier], edges[tier]) for tier in range(under_top)]
    chance = np.stack([_chances(in_state, digits, bins) for digits in seen])
    histories = np.arange((bins + 2) ** under_top)
    belief = np.repeat(task_means(train, in_state)[None] + 1e-9, len(histories), axis=0)
    for tier in range(under_top):
        digit = histories // (bins + 2) ** tier % (bins + 2)
        belief *= np.where(digit > 0, chance[tier][:, digit - 1], 1.0).T[:, None, :]
    belief /= belief.sum(axis=2, keepdims=True)
    scale = top_cost(train) or 1.0
    sight = np.einsum("hts,ksd->htkd", belief, chance)
    return Process(edges, belief @ quality, sight, task_means(train, train.cost_usd) / scale)


def _edges(confidence: FloatArray, bins: int) -> FloatArray:
    given = confidence[~np.isnan(confidence)]
    return np.quantile(given, np.arange(1, bins) / bins) if len(given) else np.full(bins - 1, 0.5)


def _digits(confidence: FloatArray, edges: FloatArray) -> Ints:
    """1 to bins; bins + 1 for no confidence."""
    digit = 1 + np.searchsorted(edges, confidence, side="right")
    return np.where(np.isnan(confidence), len(edges) + 2, digit).astype(np.int64)


def _chances(in_state: FloatArray, digits: Ints, bins: int) -> FloatArray:
    """P(digit | state), (states, bins + 1)."""
    seen = np.eye(bins + 1)[digits - 1]
    overall = (seen.sum(axis=0) + 1.0) / (len(seen) + bins + 1.0)
    return np.asarray((in_state.T @ seen + 5.0 * overall) / (in_state.sum(axis=0)[:, None] + 5.0))


def _surest(train: Rows, share: float) -> FloatArray:
    """Of each tier the least confidence that is accepted, (tiers,); infinite where the tier has none."""
    least = np.full(len(train.tiers), np.inf)
    for tier in range(len(train.tiers)):
        given = train.confidence[~np.isnan(train.confidence[:, tier]), tier]
        if len(given) and share > 0.0:
            least[tier] = -np.inf if share == 1.0 else np.quantile(given, 1.0 - share)
    return least


def _area(train: Rows, ladder: KnobLadder[None, FloatArray] | KnobLadder[Ints, Ints]) -> float:
    runs = [ladder.run(train, step) for step in range(ladder.size)]
    cost = np.array([run.cost_usd(train).mean() for run in runs])
    quality = np.array([run.quality(train).mean() for run in runs])
    means = train.cost_usd.mean(axis=0)
    low, high = float(means.min()), float(means.max())
    return aiq(quality_cost_hull(cost, quality), low, high) if low < high else float(quality.max())
