"""Fits what each tier's answer is worth, given the answers already there (`cascade.estimates`).

Each (state, tier) is a logistic regression on soft labels with a Gaussian prior that stands on the router's own
estimate: where rows are few, q_k stays what the router says, which is itself shrunk to the means of task and tier.
Newton's method from the solution of the state without its dearest tier needs a few steps; the models for held-out rows
start from the solution for all rows and need two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.estimates import SIGNALS, AnswerQuality, AnswerSignals, Columns, Evidence, logit, members, sigmoid
from routenlp.errors import TrainingError
from routenlp.training.logistic import soft_logistic
from routenlp.training.ridge_fit import fold_of_groups
from routenlp.training.signals import fit_signals, held_out_signals
from routenlp.types import FloatArray

FOLDS = 3
MOST_TIERS = 5
OWN_OFFSET_FROM = 30
"""Rows that a task needs for an offset of its own."""
MOST_OFFSETS = 60

_TASK_PENALTY = 10.0
_ROUTE_PENALTY = 10.0
_SIGNAL_PENALTY = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class FittedAnswers:
    """The models, and what models that had not seen a training row's group say of it."""

    quality: AnswerQuality
    held_out: FloatArray
    """q_k(x, S) of the training rows, shape (states, n, K)."""


@dataclass(frozen=True, slots=True, eq=False)
class _Design:
    """Columns of all models: 1, a task's offset each, the router's logits, then the signals of each tier."""

    x: FloatArray
    offsets: NDArray[np.int64]
    """Tasks with an offset of their own."""
    tiers: int

    @property
    def before(self) -> int:
        """Number of columns that every state has."""
        return 1 + len(self.offsets) + self.tiers

    def columns(self, state: int) -> NDArray[np.int64]:
        """Positions of the columns of a state."""
        of_answers = [self.before + s * SIGNALS + i for s in members(state) for i in range(SIGNALS)]
        return np.array([*range(self.before), *of_answers], dtype=np.int64)

    def penalty(self, state: int) -> FloatArray:
        """Of each column of a state; the intercept has next to none."""
        answers = len(members(state)) * SIGNALS
        parts = (
            (1e-3, 1),
            (_TASK_PENALTY, len(self.offsets)),
            (_ROUTE_PENALTY, self.tiers),
            (_SIGNAL_PENALTY, answers),
        )
        return np.concatenate([np.full(count, value) for value, count in parts])

    def prior(self, k: int, width: int) -> FloatArray:
        """The router's estimate as it is."""
        out = np.zeros(width)
        out[1 + len(self.offsets) + k] = 1.0
        return out


def fit_answers(
    evidence: Evidence, quality: FloatArray, groups: NDArray[np.int64], *, tasks: int, seed: int
) -> FittedAnswers:
    """`evidence.expected` must be held-out estimates of the router. `quality`: shape (n, K), in [0, 1]."""
    n, tiers = quality.shape
    if tiers > MOST_TIERS:
        raise TrainingError("tiers", f"are {tiers}, which have {2**tiers} states", f"Use {MOST_TIERS} at most")
    fold = fold_of_groups(groups, FOLDS, seed + 1)
    signals = fit_signals(evidence, quality, tasks=tasks)
    apart = held_out_signals(evidence, quality, fold, signals, tasks=tasks)
    columns = Columns(np.ascontiguousarray(logit(evidence.expected).T), apart)
    design = _design(columns, evidence.task)
    blank = _blank(signals, tasks, tiers)
    held_out = np.zeros((2**tiers, n, tiers))
    solved: dict[tuple[int, int], FloatArray] = {}
    for state in range(2**tiers):
        chosen, penalty = design.columns(state), design.penalty(state)
        x = np.ascontiguousarray(design.x[:, chosen])
        for k in wanted(state, tiers):
            prior = design.prior(k, len(chosen))
            start = _start(solved, state, k, prior)
            weights = soft_logistic(x, quality[:, k], penalty, prior=prior, start=start)
            solved[state, k] = weights
            _store(blank, design, state, k, weights)
            for f in range(FOLDS):
                rest = fold != f
                apart_weights = soft_logistic(x[rest], quality[rest, k], penalty, prior=prior, start=weights, steps=2)
                held_out[state, ~rest, k] = sigmoid(x[~rest] @ apart_weights)
    return FittedAnswers(blank, held_out)


def wanted(state: int, tiers: int) -> list[int]:
    """Tiers whose estimate the rule looks at in a state: those run, and the dearer ones."""
    return [*members(state), *range(state.bit_length(), tiers)]


def _design(columns: Columns, task: NDArray[np.int64]) -> _Design:
    tiers, n = columns.route.shape
    count = np.bincount(task)
    offsets = np.flatnonzero(count >= OWN_OFFSET_FROM)
    offsets = np.sort(offsets[np.argsort(-count[offsets], kind="stable")][:MOST_OFFSETS])
    if len(offsets) == 1:
        offsets = offsets[:0]
    own = (task[:, None] == offsets).astype(np.float64)
    of_answers = columns.signals.transpose(2, 1, 0).reshape(n, tiers * SIGNALS)
    return _Design(np.concatenate([np.ones((n, 1)), own, columns.route.T, of_answers], axis=1), offsets, tiers)


def _blank(signals: AnswerSignals, tasks: int, tiers: int) -> AnswerQuality:
    states = 2**tiers
    return AnswerQuality(
        signals,
        np.zeros((states, tiers, tasks)),
        np.zeros((states, tiers, tiers)),
        np.zeros((states, tiers, SIGNALS, tiers)),
    )


def _store(into: AnswerQuality, design: _Design, state: int, k: int, weights: FloatArray) -> None:
    into.task_weights[state, k] = weights[0]
    into.task_weights[state, k, design.offsets] += weights[1 : 1 + len(design.offsets)]
    into.route_weights[state, k] = weights[design.before - design.tiers : design.before]
    for position, s in enumerate(members(state)):
        at = design.before + position * SIGNALS
        into.signal_weights[state, k, :, s] = weights[at : at + SIGNALS]


def _start(solved: dict[tuple[int, int], FloatArray], state: int, k: int, prior: FloatArray) -> FloatArray:
    parent = state & ~(1 << (state.bit_length() - 1)) if state else state
    known = solved.get((parent, k), prior)
    return np.concatenate([known, np.zeros(len(prior) - len(known))])
