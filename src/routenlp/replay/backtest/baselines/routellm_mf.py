"""RouteLLM's matrix factorisation: which of two models wins a query, from a low-rank product of query and model.

Ong, Almahairi, Wu, Chiang, Wu, Gonzalez, Kadous, Stoica 2024: RouteLLM: Learning to Route LLMs with Preference Data.
ICLR 2025, arXiv 2406.18665, section 4.2.

A Bradley-Terry model, P(i beats j | x) = sigmoid(s(i, x) - s(j, x)), with s(i, x) = w . (v_i * (W x + b)): a vector v_i
for each model. Adapted: fixed features for OpenAI's embedding; battles of all recorded pairs of tiers for those of
Chatbot Arena, a win counting (1 + q_i - q_j) / 2, so that a tie is half of one and graded quality is used; w is
absorbed into v. It routes between the top tier and the cheaper one that makes the best pair on held-out training rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from routenlp.replay.backtest.baselines.inner_folds import Positions, inner_folds
from routenlp.replay.backtest.baselines.inputs import fit_inputs
from routenlp.replay.backtest.baselines.knobs import KnobLadder
from routenlp.replay.backtest.baselines.linear_scores import Loss, sigmoid
from routenlp.replay.backtest.baselines.pairs import best_weak_tier, pair_ladder
from routenlp.replay.backtest.rows import Rows
from routenlp.training.lbfgs import minimise
from routenlp.types import FloatArray, Vectors

RANK = 16
"""Length of a model's vector (theirs: 128, for 64 models and a million times the parameters)."""
PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3)
"""On both factors, weakest first: a penalty that leaves nothing of them must not be where the next fit begins."""
_MAX_STEPS = 80
_TOLERANCE = 1e-4
_SPREAD = 0.1


def fit_routellm_mf(train: Rows, *, seed: int) -> KnobLadder[FloatArray, float]:
    """Cut-offs on the strength of a cheaper tier over the top one."""
    folds = inner_folds(train, seed=seed)
    inputs = fit_inputs(train)
    x = inputs.matrix(train)
    factors, held_out = _cross_fitted(x, battles(train.quality), len(train.tiers), folds, seed)
    weak = best_weak_tier(train, [held_out[:, k] - held_out[:, -1] for k in range(len(train.tiers) - 1)])

    def score(rows: Rows) -> FloatArray:
        strength = factors.strengths(inputs.matrix(rows))
        return (strength[:, weak] - strength[:, -1]).astype(np.float64)

    return pair_ladder("routellm_mf", weak, held_out[:, weak] - held_out[:, -1], score)


def battles(quality: FloatArray) -> Loss:
    """Mean cross-entropy of all pairs of tiers, by their strengths: scores of shape (n, tiers)."""
    pairs = list(combinations(range(quality.shape[1]), 2))
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    wins = ((1.0 + quality[:, first] - quality[:, second]) / 2.0).astype(np.float32)
    sides = np.zeros((len(pairs), quality.shape[1]), dtype=np.float32)
    sides[np.arange(len(pairs)), first], sides[np.arange(len(pairs)), second] = 1.0, -1.0

    def loss(scores: Vectors, at: Positions) -> tuple[float, Vectors]:
        lead = scores @ sides.T
        share = 1.0 / (len(at) * len(pairs))
        value = float((np.logaddexp(np.float32(0.0), lead) - wins[at] * lead).sum()) * share
        pull = ((sigmoid(lead) - wins[at]) * share).astype(np.float32)
        return value, np.asarray(pull @ sides, dtype=np.float32)

    return loss


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """`query`: float32 (columns, rank), the last column of the inputs being 1; `model`: float32 (rank, tiers)."""

    query: Vectors
    model: Vectors

    def strengths(self, x: Vectors) -> Vectors:
        """float32 (n, tiers)."""
        return np.asarray((x @ self.query) @ self.model)


def _cross_fitted(
    x: Vectors, loss: Loss, tiers: int, folds: Sequence[tuple[Positions, Positions]], seed: int
) -> tuple[Factors, FloatArray]:
    """Factors at the best penalty, and strengths (n, tiers) by fits that had not seen the row."""
    penalties = PENALTIES if len(folds) > 1 else PENALTIES[-1:]
    held_out: list[Vectors] = [np.empty((len(x), tiers), dtype=np.float32) for _ in penalties]
    for fit_on, look_at in folds:
        factors = _start(x.shape[1], tiers, seed)
        seen, unseen = x[fit_on], x[look_at]
        for penalty, kept in zip(penalties, held_out, strict=True):
            factors = _descend(seen, loss, fit_on, penalty, factors)
            kept[look_at] = factors.strengths(unseen)
    every = np.arange(len(x))
    best = int(np.argmin([loss(kept, every)[0] for kept in held_out]))
    factors = _descend(x, loss, every, penalties[best], _start(x.shape[1], tiers, seed))
    return factors, held_out[best].astype(np.float64)


def _start(columns: int, tiers: int, seed: int) -> Factors:
    """Small and random: at zero both factors would stay there."""
    rng = np.random.default_rng(seed)
    query = rng.normal(0.0, _SPREAD, (columns, RANK)).astype(np.float32)
    return Factors(query, rng.normal(0.0, _SPREAD, (RANK, tiers)).astype(np.float32))


def _descend(rows: Vectors, loss: Loss, at: Positions, penalty: float, start: Factors) -> Factors:
    cut = start.query.size

    def penalised(flat: Vectors) -> tuple[float, Vectors]:
        query, model = flat[:cut].reshape(start.query.shape), flat[cut:].reshape(start.model.shape)
        factors: Vectors = rows @ query
        scores: Vectors = factors @ model
        value, pull = loss(scores, at)
        gradient = np.concatenate([(rows.T @ (pull @ model.T)).ravel(), (factors.T @ pull).ravel()])
        return value + 0.5 * penalty * float(np.vdot(flat, flat)), gradient + np.float32(penalty) * flat

    flat = np.concatenate([start.query.ravel(), start.model.ravel()])
    best = minimise(penalised, flat, max_steps=_MAX_STEPS, tolerance=_TOLERANCE)
    return Factors(best[:cut].reshape(start.query.shape), best[cut:].reshape(start.model.shape))
