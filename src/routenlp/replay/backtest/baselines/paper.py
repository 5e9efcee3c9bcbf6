"""RouteNLP as published: a router that picks the first tier, then conformal thresholds by task and tier.

RouteNLP, arXiv 2604.23577, sections on the router and the cascade.

Router: logits of the tiers from the query and its task, trained on the cheapest tier that handled the query with
L = L_route + 0.3 L_cost + 0.5 L_quality: cross-entropy, expected price, and a hinge on the shortfall of expected
quality under the task's floor. Cascade: accept an answer of uncertainty u <= delta(tier, task), the
ceil((1 - alpha)(n0 + 1))-th smallest u of the handled answers; else call the next tier. The sweep is over alpha.

Adapted: a linear layer on fixed features for DistilBERT with a task embedding and a head for each task; u is 1 - the
recorded confidence, for token probabilities are not recorded; preference pairs, whose weight is not published, add
nothing where every tier answered every query. Where graded quality has no recorded pass mark, an answer is handled if
it is as good as the top tier's mean on the task. Where alpha is too small for a task's n0, the boldest threshold that
split conformal prediction gives there stands, so that the ladder stays in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.paper import rank
from routenlp.errors import TrainingError
from routenlp.replay.backtest.baselines.cascades import climb
from routenlp.replay.backtest.baselines.inner_folds import Positions, inner_folds
from routenlp.replay.backtest.baselines.inputs import Inputs, fit_inputs, task_means
from routenlp.replay.backtest.baselines.knobs import KnobLadder, mean_cost, spread
from routenlp.replay.backtest.baselines.linear_scores import LinearScores, Loss, fit_linear
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.types import FloatArray, Vectors

COST_WEIGHT = 0.3
QUALITY_WEIGHT = 0.5
ALPHAS = np.concatenate([[1.0], np.geomspace(0.9, 1e-3, 79), [0.0]])


def fit_paper(train: Rows, *, seed: int) -> KnobLadder[NDArray[np.int64], FloatArray]:
    """Values of alpha from 1, which accepts nothing, down. Raises `TrainingError` without a confidence."""
    if np.isnan(train.confidence[:, :-1]).all():
        problem = "no tier under the top one has a confidence, so no answer can be scored"
        raise TrainingError("baseline paper", problem, "Record a column `confidence`, or leave this baseline out.")
    inputs = fit_inputs(train)
    handled = handled_answers(train)
    loss = three_part_loss(train, handled)
    router = fit_linear(inputs.matrix(train), loss, len(train.tiers), inner_folds(train, seed=seed))
    knobs = [thresholds(train, handled, float(alpha)) for alpha in ALPHAS]
    first = router.held_out.argmax(axis=1)
    chosen = spread(np.array([mean_cost(train, decide(train, first, knob)) for knob in knobs]))
    return KnobLadder("paper", tuple(knobs[at] for at in chosen), FirstTier(inputs, router), decide)


@dataclass(frozen=True, slots=True, eq=False)
class FirstTier:
    """The router."""

    inputs: Inputs
    router: LinearScores

    def __call__(self, rows: Rows) -> NDArray[np.int64]:
        """Position of the tier of the largest logit, (n,)."""
        return np.asarray(self.router.scores(self.inputs.matrix(rows)).argmax(axis=1))


def decide(rows: Rows, first: NDArray[np.int64], by_task: FloatArray) -> Run:
    """Climb from `first` until u is within the (task, tier) threshold; NaN never is."""
    with np.errstate(invalid="ignore"):
        accepts = 1.0 - rows.confidence <= by_task[rows.task]
    return climb(accepts, np.asarray(np.arange(len(rows.tiers)) >= first[:, None]))


def thresholds(train: Rows, handled: NDArray[np.bool_], alpha: float) -> FloatArray:
    """(tasks, tiers); NaN where nothing is accepted."""
    found = np.full((len(train.task_names), len(train.tiers)), np.nan)
    u = 1.0 - train.confidence
    for task in range(found.shape[0]):
        for tier in range(found.shape[1]):
            scores = np.sort(u[(train.task == task) & handled[:, tier], tier])
            scores = scores[~np.isnan(scores)]
            place = min(rank(len(scores), alpha), len(scores))
            if place >= 1:
                found[task, tier] = scores[place - 1]
    return found


def handled_answers(train: Rows) -> NDArray[np.bool_]:
    """(n, tiers): quality is the task's floor or more."""
    return np.asarray(train.quality >= _floor(train)[train.task][:, None])


def _floor(train: Rows) -> FloatArray:
    """By task: 1 where quality is 0 or 1, else the top tier's mean."""
    graded = ((train.quality > 0.0) & (train.quality < 1.0)).any(axis=1)
    has_graded = np.bincount(train.task, weights=graded, minlength=len(train.task_names)) > 0
    return np.where(has_graded, task_means(train, train.quality[:, [-1]], strength=1e-9)[:, 0], 1.0)


def three_part_loss(train: Rows, handled: NDArray[np.bool_]) -> Loss:
    """The published loss, by logits of the tiers, (n, tiers). A query that no tier handled belongs to the top tier."""
    label = np.where(handled.any(axis=1), handled.argmax(axis=1), handled.shape[1] - 1)
    means = train.cost_usd.mean(axis=0)
    price = (means / max(float(means.max()), 1e-12)).astype(np.float32)
    floor = _floor(train)[train.task].astype(np.float32)
    quality = train.quality.astype(np.float32)

    def loss(scores: Vectors, at: Positions) -> tuple[float, Vectors]:
        shifted = scores - scores.max(axis=1, keepdims=True)
        p = np.exp(shifted)
        p /= p.sum(axis=1, keepdims=True)
        row = np.arange(len(at))
        shortfall = floor[at] - (p * quality[at]).sum(axis=1)
        short = shortfall > 0.0
        value = -np.log(np.maximum(p[row, label[at]], 1e-12)) + COST_WEIGHT * (p @ price)
        value += QUALITY_WEIGHT * np.where(short, shortfall, 0.0)
        worth = COST_WEIGHT * price - QUALITY_WEIGHT * short[:, None] * quality[at]
        pull = p * (worth - (p * worth).sum(axis=1, keepdims=True)) + p
        pull[row, label[at]] -= 1.0
        return float(value.mean()), (pull / len(at)).astype(np.float32)

    return loss
