"""Fits the label students of one task: heads on the training fold, their mixture on rows those heads did not see.

Order of work: label codes and features; each head on all rows; each head again on the rest of the groups for
every one of three parts (group k-fold), whose scores on the part left out fit the mixture and its trust.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from routenlp.backends.encoders.ngrams import NgramHasher, NgramVocabulary, learn_vocabulary
from routenlp.backends.student.classifier import Classifier, KernelHead, NgramHead, Projection
from routenlp.contracts import Encoder
from routenlp.errors import TrainingError
from routenlp.training.fitted import FittedStudent
from routenlp.training.linear_fit import Codes, Kernel, Linear, Rows, fit_kernel_ridge, fit_squared_hinge
from routenlp.training.mixture import fit_mixture
from routenlp.types import Example, FloatArray, Prediction, TrainingFold, Vectors

_PARTS = 3
_HASHER = NgramHasher(words=(1, 2), chars=(2, 4))
_MIN_ROWS = 2
_MAX_NGRAMS = 60_000
_STEPS = 60
_C = 2.0
_AXES = 256
_GAMMA, _RIDGE = 0.5, 0.1
_MAX_ANCHORS = 8_000
"""The kernel head is fitted on at most this many rows, evenly spaced: its cost grows with their cube."""

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClassifierPair:
    """Both students of one task, fitted on the same rows."""

    ngram: FittedStudent[Classifier]
    minilm: FittedStudent[Classifier]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Training rows as numbers. `part`: which of the k-fold parts each row's group is in."""

    labels: tuple[str, ...]
    codes: Codes
    part: Codes

    def prior(self) -> FloatArray:
        return np.bincount(self.codes, minlength=len(self.labels)) / len(self.codes)


def fit_classifiers(fold: TrainingFold, encoder: Encoder) -> ClassifierPair:
    """Both students. The n-gram head is fitted once and shared.

    Deterministic. TrainingError if there are no rows, one label only, or one group only.
    """
    rows = _number(fold)
    ngram, ngram_scores = _fit_ngram(fold, rows)
    vectors = encoder.encode([example.query.text for example in fold.examples])
    kernel, kernel_scores = _fit_kernel(vectors, rows)
    scores = np.stack([ngram_scores, kernel_scores], axis=1)
    minilm = Classifier(rows.labels, rows.prior(), ngram.ngrams, fit_mixture(scores, rows.codes), kernel, encoder)
    return ClassifierPair(_with_held_out(ngram, fold, ngram_scores[:, None]), _with_held_out(minilm, fold, scores))


def _with_held_out(student: Classifier, fold: TrainingFold, unseen: Scores) -> FittedStudent[Classifier]:
    """`unseen`: scores (n, heads, labels) of heads that had not seen the row."""
    held_out: dict[str, Prediction] = {}
    for example, scores in zip(fold.examples, unseen.astype(np.float64), strict=True):
        label, p = student.mixture.decide(scores)
        held_out[example.query.id] = Prediction(student.labels[label], (p,))
    return FittedStudent(student, held_out)


def _number(fold: TrainingFold) -> _Rows:
    labels = tuple(sorted({example.reference for example in fold.examples}))
    if not labels:
        raise TrainingError(fold.task, "has no training rows", "Give rows, or leave the task out.")
    if len(labels) == 1:
        raise TrainingError(
            fold.task, f"has one label only, {labels[0]!r}", "Give rows of two labels or more; one needs no model."
        )
    if len({example.group for example in fold.examples}) == 1:
        group = fold.examples[0].group
        raise TrainingError(
            fold.task,
            f"has all rows in one group, {group!r}",
            "Give rows of two groups or more: probabilities are fitted on groups that the heads did not see.",
        )
    code = {label: i for i, label in enumerate(labels)}
    codes = np.array([code[example.reference] for example in fold.examples], dtype=np.int64)
    return _Rows(labels, codes, _parts(fold.examples))


def _parts(examples: Sequence[Example]) -> Codes:
    """The largest groups first, each into the part that has the fewest rows yet."""
    sizes = Counter(example.group for example in examples)
    filled = np.zeros(min(_PARTS, len(sizes)), dtype=np.int64)
    part_of: dict[str, int] = {}
    for group, size in sorted(sizes.items(), key=lambda item: (-item[1], item[0])):
        part_of[group] = int(filled.argmin())
        filled[part_of[group]] += size
    return np.array([part_of[example.group] for example in examples], dtype=np.int64)


def _fit_ngram(fold: TrainingFold, rows: _Rows) -> tuple[Classifier, Scores]:
    texts = [example.query.text for example in fold.examples]
    vocabulary = learn_vocabulary(texts, _HASHER, min_rows=_MIN_ROWS, max_size=_MAX_NGRAMS)
    features = _sparse(vocabulary, texts)

    def fit(chosen: Codes) -> Linear:
        return fit_squared_hinge(features[chosen], rows.codes[chosen], len(rows.labels), c=_C, steps=_STEPS)

    unseen = _unseen(rows, features, fit)
    whole = fit(np.arange(len(texts)))
    head = NgramHead(vocabulary, whole.weights.astype(np.float16), whole.bias)
    mixture = fit_mixture(unseen[:, None], rows.codes)
    return Classifier(rows.labels, rows.prior(), head, mixture), unseen


def _sparse(vocabulary: NgramVocabulary, texts: Iterable[str]) -> sparse.csr_matrix:
    pairs = [vocabulary.row(text) for text in texts]
    ends = np.cumsum([0, *(len(columns) for columns, _ in pairs)])
    columns = np.concatenate([columns for columns, _ in pairs]).astype(np.int32)
    values = np.concatenate([values for _, values in pairs])
    return sparse.csr_matrix((values, columns, ends), shape=(len(pairs), len(vocabulary.known)))


def _fit_kernel(vectors: Vectors, rows: _Rows) -> tuple[KernelHead, Scores]:
    projection = _fit_projection(vectors)
    units = projection.apply(vectors).astype(np.float16).astype(np.float32)  # anchors are stored as float16

    def fit(chosen: Codes) -> Kernel:
        if len(chosen) > _MAX_ANCHORS:
            chosen = chosen[np.linspace(0, len(chosen) - 1, _MAX_ANCHORS).astype(np.int64)]
        return fit_kernel_ridge(units[chosen], rows.codes[chosen], len(rows.labels), gamma=_GAMMA, ridge=_RIDGE)

    unseen = _unseen(rows, units, fit)
    whole = fit(np.arange(len(units)))
    return KernelHead(projection, whole.anchors, whole.duals, whole.mean, whole.gamma), unseen


def _fit_projection(vectors: Vectors) -> Projection:
    """Axes of the standardised vectors, widest first; no label is looked at."""
    mean, scale = vectors.mean(0), vectors.std(0) + np.float32(1e-6)
    standard = (vectors - mean) / scale
    _, axes = np.linalg.eigh(standard.T @ standard)
    return Projection(mean, scale, np.ascontiguousarray(axes[:, ::-1][:, :_AXES]))


def _unseen(rows: _Rows, features: Rows, fit: Callable[[Codes], Linear | Kernel]) -> Scores:
    """Scores of every row, (n, labels), by the head that was fitted without the part of the row's group."""
    out = np.empty((len(rows.codes), len(rows.labels)), dtype=np.float32)
    for part in range(int(rows.part.max()) + 1):
        left_out = np.flatnonzero(rows.part == part)
        out[left_out] = fit(np.flatnonzero(rows.part != part)).scores(features[left_out])
    return out
