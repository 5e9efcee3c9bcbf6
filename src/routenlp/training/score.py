"""Fits the learned score, and chooses each task's score by how well it ranks the training fold's own answers.

Only the training fold is looked at. The learned score is ranked by models that had not seen a row's group, since it
would otherwise be preferred for having learned its rows by heart; of equals, the simpler score is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import TrainingError
from routenlp.scoring.coverage import risk_coverage_area
from routenlp.scoring.features import UNCERTAINTIES
from routenlp.scoring.learned import LEARNED, LearnedScore, ScoreInputs, ScorePerTask, raw_columns
from routenlp.training.logistic import soft_logistic
from routenlp.training.ridge_fit import fold_of_groups
from routenlp.types import FloatArray

FOLDS = 5
FEWEST = 50
"""Rows under which nothing is learned: the score is then 1 - the tier's mean quality, the same for all."""
KNOTS = 64
_PENALTY = 3.0
_TASK_PENALTY = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class FittedScore:
    """A learned score and which score each task is served by."""

    learned: LearnedScore
    chosen: tuple[str, ...]
    """By task, a name out of `measures` or `learned`."""
    areas: FloatArray
    """Risk-coverage area on the training fold, shape (tasks, measures + 1); last the learned score's, held out."""
    held_out: FloatArray
    """The learned score of the training rows by models that had not seen them, shape (n, K)."""

    def scorer(self, tasks: Sequence[str], tiers: Sequence[str]) -> ScorePerTask:
        """What serves; the score must have been fitted on all of `UNCERTAINTIES`."""
        return ScorePerTask(tuple(tasks), tuple(tiers), dict(zip(tasks, self.chosen, strict=True)), self.learned)


def fit_score(
    inputs: ScoreInputs,
    quality: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    measures: Sequence[str] = tuple(UNCERTAINTIES),
) -> FittedScore:
    """`inputs.estimate` must be held-out estimates; `measures` names its uncertainties. `quality`: shape (n, K)."""
    if len(quality) == 0:
        raise TrainingError("score", "has no rows", "Give graded answers of every tier")
    if inputs.uncertainty.shape[2] != len(measures):
        problem = f"has {inputs.uncertainty.shape[2]} measures of uncertainty, and {len(measures)} names"
        raise TrainingError("score", problem, "Name each measure")
    fold = fold_of_groups(groups, FOLDS, seed)
    held_out = np.empty(quality.shape)
    for f in np.unique(fold):
        rest, here = fold != f, fold == f
        if rest.any():
            held_out[here] = _fit(_at(inputs, rest), quality[rest], tasks).scores(_at(inputs, here))
        else:
            held_out[here] = np.nan
    areas = _areas(inputs, held_out, quality, tasks)
    names = (*measures, LEARNED)
    return FittedScore(_fit(inputs, quality, tasks), tuple(names[at] for at in _best(areas)), areas, held_out)


def _areas(inputs: ScoreInputs, held_out: FloatArray, quality: FloatArray, tasks: int) -> FloatArray:
    """Mean over tiers but the top one, whose answers are never judged by their score."""
    candidates = [*np.moveaxis(inputs.uncertainty, 2, 0), held_out]
    cheap = range(max(quality.shape[1] - 1, 1))
    out = np.full((tasks, len(candidates)), np.nan)
    for t in np.unique(inputs.task):
        mine = inputs.task == t
        for c, score in enumerate(candidates):
            out[t, c] = np.mean([risk_coverage_area(score[mine, k], 1.0 - quality[mine, k]) for k in cheap])
    return out


def _best(areas: FloatArray) -> NDArray[np.int64]:
    """Of a task without rows, the first."""
    return np.asarray(np.where(np.isnan(areas), np.inf, areas).argmin(axis=1), dtype=np.int64)


def _fit(inputs: ScoreInputs, quality: FloatArray, tasks: int) -> LearnedScore:
    tiers, width = quality.shape[1], inputs.uncertainty.shape[2] + 2
    weights, centre = np.zeros((tiers, width + tasks + 1)), np.zeros((tiers, width))
    knots, levels = np.empty((tiers, KNOTS)), np.empty((tiers, KNOTS))
    one_hot = np.eye(tasks)[inputs.task]
    penalty = np.concatenate([np.full(width, _PENALTY), np.full(tasks, _TASK_PENALTY), [1e-3]])
    for k in range(tiers):
        raw = raw_columns(inputs, k)
        known = ~np.isnan(raw)
        centre[k] = np.where(known, raw, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        x = np.concatenate([np.where(known, raw - centre[k], 0.0), one_hot, np.ones((len(raw), 1))], axis=1)
        if len(x) >= FEWEST:
            weights[k] = soft_logistic(x, quality[:, k], penalty)
        knots[k], levels[k] = _isotonic(x @ weights[k], quality[:, k])
    return LearnedScore(weights, centre, knots, levels)


def _isotonic(z: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    from sklearn.isotonic import IsotonicRegression

    found = np.unique(np.quantile(z, np.linspace(0.0, 1.0, KNOTS)))
    knots = np.concatenate([found, found[-1] + 1.0 + np.arange(KNOTS - len(found))])
    if len(found) == 1:
        return knots, np.full(KNOTS, float(quality.mean()))
    return knots, np.asarray(IsotonicRegression(out_of_bounds="clip").fit(z, quality).predict(knots))


def _at(inputs: ScoreInputs, rows: NDArray[np.bool_]) -> ScoreInputs:
    return ScoreInputs(inputs.task[rows], inputs.uncertainty[rows], inputs.estimate[rows], inputs.length[rows])
