"""Fits what an answer's confidence and length say: isotonic maps by tier, shrunk from the task's to the tier's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.estimates import SIGNALS, AnswerSignals, Evidence
from routenlp.types import FloatArray

KNOTS = 64
SHRINK_ROWS = 200.0
"""A task's own map counts n / (n + this) beside the tier's."""
FEWEST = 20
"""Rows under which there is no map: the mean quality at every confidence."""


def fit_signals(evidence: Evidence, quality: FloatArray, *, tasks: int) -> AnswerSignals:
    """Maps from confidence to expected quality, by task and tier, and the scale of lengths. `quality`: shape (n, K)."""
    tiers = quality.shape[1]
    knots, levels = np.empty((tiers, KNOTS)), np.empty((tasks, tiers, KNOTS))
    for k in range(tiers):
        known = ~np.isnan(evidence.confidence[:, k])
        confidence = evidence.confidence[known, k]
        knots[k] = _knots(confidence)
        levels[:, k] = _levels(knots[k], confidence, quality[known, k], evidence.task[known], tasks)
    lengths = np.log1p(evidence.length)
    mean, scale = np.zeros(tiers), np.ones(tiers)
    for k in range(tiers):
        given = lengths[~np.isnan(lengths[:, k]), k]
        if given.size:
            mean[k], scale[k] = given.mean(), max(float(given.std()), 1e-6)
    raw = AnswerSignals(knots, levels, np.zeros((tiers, SIGNALS)), mean, scale)
    return _centred(raw, evidence)


def held_out_signals(
    evidence: Evidence, quality: FloatArray, fold: NDArray[np.int64], fitted: AnswerSignals, *, tasks: int
) -> FloatArray:
    """The signals of the training rows, shape (SIGNALS, K, n), each by a map that had not seen the row's fold."""
    out = np.empty((SIGNALS, quality.shape[1], len(quality)))
    for f in np.unique(fold):
        rest, here = fold != f, fold == f
        maps = fit_signals(_at(evidence, rest), quality[rest], tasks=tasks)
        same_frame = AnswerSignals(maps.knots, maps.levels, fitted.centre, fitted.length_mean, fitted.length_scale)
        out[:, :, here] = same_frame.of(_at(evidence, here))
    return out


def _at(evidence: Evidence, rows: NDArray[np.bool_]) -> Evidence:
    return Evidence(evidence.task[rows], evidence.expected[rows], evidence.confidence[rows], evidence.length[rows])


def _centred(raw: AnswerSignals, evidence: Evidence) -> AnswerSignals:
    signals = raw.of(evidence)
    given = ~np.isnan(evidence.confidence).T, ~np.isnan(evidence.length).T
    centre = np.zeros_like(raw.centre)
    for i in range(SIGNALS):
        for k in range(raw.centre.shape[0]):
            known = given[i // 2][k]
            centre[k, i] = signals[i, k, known].mean() if known.any() else 0.0
    return AnswerSignals(raw.knots, raw.levels, centre, raw.length_mean, raw.length_scale)


def _knots(confidence: FloatArray) -> FloatArray:
    """Quantiles of the confidences that differ, filled up with points beyond."""
    if not confidence.size:
        return np.arange(KNOTS, dtype=np.float64)
    found = np.unique(np.quantile(confidence, np.linspace(0.0, 1.0, KNOTS)))
    return np.concatenate([found, found[-1] + 1.0 + np.arange(KNOTS - len(found))])


def _levels(
    knots: FloatArray, confidence: FloatArray, quality: FloatArray, task: NDArray[np.int64], tasks: int
) -> FloatArray:
    pooled = _isotonic(knots, confidence, quality, 0.5)
    out = np.tile(pooled, (tasks, 1))
    for t in range(tasks):
        mine = task == t
        if mine.sum() >= FEWEST:
            own = _isotonic(knots, confidence[mine], quality[mine], float(pooled.mean()))
            weight = mine.sum() / (mine.sum() + SHRINK_ROWS)
            out[t] = weight * own + (1.0 - weight) * pooled
    return out


def _isotonic(knots: FloatArray, confidence: FloatArray, quality: FloatArray, otherwise: float) -> FloatArray:
    if len(confidence) < FEWEST or np.ptp(confidence) == 0.0:
        return np.full(len(knots), float(quality.mean()) if len(quality) else otherwise)
    from sklearn.isotonic import IsotonicRegression

    return np.asarray(IsotonicRegression(out_of_bounds="clip").fit(confidence, quality).predict(knots))
