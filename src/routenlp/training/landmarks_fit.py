"""Fits kernel ridge on landmarks: some training queries, drawn at random, span what can be said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.router.landmarks import LandmarkEstimates, likeness, shares
from routenlp.router.ridge import TASK_SCALE
from routenlp.router.vectors import unit_rows
from routenlp.training.outcomes_present import Fitted
from routenlp.training.ridge_fit import fit_ridge
from routenlp.types import FloatArray, Vectors

MOST_LANDMARKS = 400
SHARPNESS = 2.0
OTHER_TASK = 1.0
_SMALLEST = 1e-3
"""Of the likenesses' eigenvalues: directions under it would need weights that float32 likenesses cannot carry."""


def fit_landmarks(
    features: Vectors,
    task: NDArray[np.int64],
    targets: FloatArray,
    groups: NDArray[np.int64],
    *,
    tasks: int,
    seed: int,
    low: FloatArray,
    high: FloatArray,
) -> Fitted[LandmarkEstimates]:
    """Ridge in the space that the landmarks span. Landmarks are drawn without a look at any outcome, so that rows held
    out of the ridge are held out. Errors as of `fit_ridge`.
    """
    units = unit_rows(features)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(task))[:MOST_LANDMARKS])
    landmarks, landmark_task = units[drawn], task[drawn]
    share = shares(landmark_task, tasks, OTHER_TASK)
    among = likeness(landmarks, landmarks, SHARPNESS, share[landmark_task])
    values, axes = np.linalg.eigh(among.astype(np.float64))
    kept = values > _SMALLEST
    span = axes[:, kept] / np.sqrt(values[kept])
    coordinates = likeness(units, landmarks, SHARPNESS, share[task]) @ span
    fitted = fit_ridge(
        coordinates.astype(np.float32), task, targets, groups, tasks=tasks, seed=seed, low=low, high=high
    )
    ridge = fitted.model
    offsets = TASK_SCALE * ridge.weights[:tasks] + ridge.mean - ridge.centre @ ridge.weights
    weights = span @ ridge.weights[tasks:]
    model = LandmarkEstimates(landmarks, landmark_task, weights, offsets, low, high, SHARPNESS, OTHER_TASK)
    return Fitted(model, fitted.held_out)
