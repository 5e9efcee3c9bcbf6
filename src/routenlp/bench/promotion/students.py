"""Real students of one task, fitted on a part of its training rows, and compared as a turn compares them.

The policy in force has a student of a tenth of the training rows, behind a threshold that was calibrated. Candidates
have other students; where the truth is to be known, their threshold is set so that they save just so much on the test
rows, which are what the canary sees. Segments are clusters of the training texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.classifier import Mixture
from routenlp.contracts import Encoder
from routenlp.loop.compared import Compared
from routenlp.replay.folds import Folds
from routenlp.training.clusters_fit import spherical_kmeans
from routenlp.training.linear_fit import Kernel, fit_kernel_ridge
from routenlp.training.mixture import fit_mixture
from routenlp.types import Example, FloatArray, Vectors

STUDENT_USD, TOP_USD = 0.0125, 1.0
"""The paper's T2 and T4, of the same tokens."""
RATIO = 0.97
BASE, HALF_AGAIN, THRICE = 0.10, 0.15, 0.30
"""Shares of the training rows."""
GAIN = 0.05
CLUSTERS = 10
AXES = 256
_PARTS = 3
_GAMMA, _RIDGE = 0.5, 0.1

Codes = NDArray[np.int64]


class Student(StrEnum):
    """What the candidate is."""

    NEUTRAL = "neutral"
    """As many other rows; it truly saves nothing."""
    BETTER = "better"
    """Half as many rows again; it truly saves five points of always-top's bill."""
    SHUFFLED = "labels shuffled"
    """Taught one cluster more, all of whose labels are shuffled."""
    SHUFFLED_KEPT = "labels shuffled, old threshold"
    """The same, and nobody calibrated again."""
    EXCHANGED = "labels exchanged"
    """Taught one cluster more, each of whose labels stands for another, always the same: sure of what is wrong."""
    EXCHANGED_KEPT = "labels exchanged, old threshold"
    EXCHANGED_CHEAP = "labels exchanged, cheaper"
    """Three times the rows, one cluster exchanged, and a threshold that saves five points all the same."""
    SPOILT_BUT_BETTER = "three times the rows, one cluster shuffled"
    """Unsure in the cluster, so that the top tier answers there, and cheaper all the same: it harms nobody."""


HARMFUL = (
    Student.SHUFFLED,
    Student.SHUFFLED_KEPT,
    Student.EXCHANGED,
    Student.EXCHANGED_KEPT,
    Student.EXCHANGED_CHEAP,
)
_SHUFFLED = (Student.SHUFFLED, Student.SHUFFLED_KEPT, Student.SPOILT_BUT_BETTER)
_KEPT = (Student.SHUFFLED_KEPT, Student.EXCHANGED_KEPT)


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """One fold as arrays."""

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    units: Vectors
    codes: Codes
    """Positions of the labels; -1 for one that training does not have."""
    segments: Codes


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """One task's folds; the top tier answers with the human labels."""

    name: str
    labels: int
    train: Split
    calibrate: Split
    gate: Split
    test: Split


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A student with its mixture."""

    kernel: Kernel
    mixture: Mixture

    def answers(self, units: Vectors) -> tuple[Codes, FloatArray]:
        """Labels, and how uncertain each is, 0 to 1."""
        scores = self.kernel.scores(units).astype(np.float64)[:, None, :]
        chosen, evidence = self.mixture.evidence(scores)
        logits = evidence @ self.mixture.trust + self.mixture.label_trust[chosen]
        return chosen, np.asarray(1.0 / (1.0 + np.exp(logits)))


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A student behind a threshold; the top tier answers the rest."""

    fit: Fit
    threshold: float


def make_task(folds: Folds, encoder: Encoder, *, seed: int) -> Task:
    """Encodes every fold, and cuts the training texts into clusters."""
    train = folds.train.examples
    vectors = encoder.encode([e.query.text for e in train])
    mean, scale = vectors.mean(0), vectors.std(0) + np.float32(1e-6)
    standard = (vectors - mean) / scale
    axes = np.linalg.eigh(standard.T @ standard)[1][:, ::-1][:, :AXES]

    def units(examples: tuple[Example, ...]) -> Vectors:
        rows = ((encoder.encode([e.query.text for e in examples]) - mean) / scale) @ axes
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    centres = spherical_kmeans(units(train), CLUSTERS, seed=seed)
    code = {label: i for i, label in enumerate(sorted({e.reference for e in train}))}

    def as_split(examples: tuple[Example, ...]) -> Split:
        at = units(examples)
        return Split(
            tuple(e.query.id for e in examples),
            tuple(e.group for e in examples),
            at,
            np.array([code.get(e.reference, -1) for e in examples], dtype=np.int64),
            (at @ centres.T).argmax(axis=1).astype(np.int64),
        )

    parts = (train, folds.calibrate.examples, folds.gate.examples, folds.test.examples)
    return Task(folds.train.task, len(code), *map(as_split, parts))


def in_force(task: Task, *, seed: int) -> Served:
    """The policy in force."""
    rows = np.random.default_rng([seed, 1]).permutation(len(task.train.ids))
    return _calibrated(task, _fit(task, rows[: round(BASE * len(rows))], task.train.codes))


def candidate(task: Task, kind: Student, current: Served, *, seed: int) -> Served:
    """Made as `kind` says."""
    rows = np.random.default_rng([seed, 1]).permutation(len(task.train.ids))
    base, half_again, thrice = (round(share * len(rows)) for share in (BASE, HALF_AGAIN, THRICE))
    if kind is Student.NEUTRAL:
        return _saving(task, _fit(task, rows[-base:], task.train.codes), current, 0.0)
    if kind is Student.BETTER:
        return _saving(task, _fit(task, rows[:half_again], task.train.codes), current, GAIN)
    cluster = int(np.random.default_rng([seed, 2]).integers(CLUSTERS))
    codes = _spoilt(task, cluster, np.random.default_rng([seed, 3]), shuffled=kind in _SHUFFLED)
    if kind is Student.SPOILT_BUT_BETTER:
        return _calibrated(task, _fit(task, rows[:thrice], codes))
    if kind is Student.EXCHANGED_CHEAP:
        return _saving(task, _fit(task, rows[:thrice], codes), current, GAIN)
    lessons = rows[base:][task.train.segments[rows[base:]] == cluster][:base]
    fit = _fit(task, np.concatenate([rows[:base], lessons]), codes)
    return Served(fit, current.threshold) if kind in _KEPT else _calibrated(task, fit)


def compare(task: Task, fold: Split, current: Served, new: Served) -> Compared:
    """Both policies on the rows of a fold."""
    quality, usd, _ = _serve(fold, current)
    new_quality, new_usd, cheap = _serve(fold, new)
    top = np.ones(len(fold.ids))
    return Compared(
        task.name, fold.ids, fold.groups, quality, new_quality, top, usd, new_usd, TOP_USD * top, cheap, fold.segments
    )


def _spoilt(task: Task, cluster: int, rng: np.random.Generator, *, shuffled: bool) -> Codes:
    """The training labels, with those of one cluster shuffled among its rows, or each exchanged for another."""
    codes = task.train.codes.copy()
    inside = np.flatnonzero(task.train.segments == cluster)
    if shuffled:
        codes[inside] = codes[rng.permutation(inside)]
        return codes
    present = rng.permutation(np.unique(codes[inside]))
    turned = dict(zip(present.tolist(), np.roll(present, 1).tolist(), strict=True))
    codes[inside] = [turned[int(c)] for c in codes[inside]]
    return codes


def _fit(task: Task, rows: Codes, codes: Codes) -> Fit:
    units, labels = task.train.units[rows], codes[rows]
    part = np.arange(len(rows)) % _PARTS
    unseen = np.empty((len(rows), task.labels), dtype=np.float32)
    for p in range(_PARTS):
        away = part == p
        kernel = fit_kernel_ridge(units[~away], labels[~away], task.labels, gamma=_GAMMA, ridge=_RIDGE)
        unseen[away] = kernel.scores(units[away])
    whole = fit_kernel_ridge(units, labels, task.labels, gamma=_GAMMA, ridge=_RIDGE)
    return Fit(whole, fit_mixture(unseen[:, None, :], labels))


def _calibrated(task: Task, fit: Fit) -> Served:
    """The boldest threshold that keeps `RATIO` on the calibration rows. Nothing is proved: no trial needs it."""
    chosen, score = fit.answers(task.calibrate.units)
    order = np.argsort(score, kind="stable")
    lost = np.cumsum(chosen[order] != task.calibrate.codes[order]) / len(order)
    fine = np.flatnonzero(lost <= 1.0 - RATIO)
    return Served(fit, float(score[order][fine[-1]]) if len(fine) else -1.0)


def _saving(task: Task, fit: Fit, current: Served, gain: float) -> Served:
    """Accepts so much more of the test rows than the policy in force that it saves `gain`: known, not estimated."""
    accepted = float(_serve(task.test, current)[2].mean()) + gain / TOP_USD
    score = np.sort(fit.answers(task.test.units)[1])
    return Served(fit, float(score[min(round(accepted * len(score)), len(score)) - 1]))


def _serve(fold: Split, served: Served) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    chosen, score = served.fit.answers(fold.units)
    cheap = score <= served.threshold
    quality = np.where(cheap, chosen == fold.codes, True).astype(np.float64)
    return quality, np.where(cheap, STUDENT_USD, STUDENT_USD + TOP_USD), cheap
