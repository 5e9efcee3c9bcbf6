"""Fits of one head: squared-hinge one-against-rest on sparse rows, and kernel ridge on unit vectors.

Squared hinge rather than softmax or logistic loss: on held-out rows it ranked right above wrong answers better
with long texts and many sibling labels (docs/decisions/classifiers.md). Its scores are no probabilities; the
mixture makes them so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from routenlp.training.lbfgs import minimise
from routenlp.types import Vectors

Rows: TypeAlias = Any  # scipy.sparse.csr_matrix or Vectors, (n, features); scipy has no types
Codes = NDArray[np.int64]

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Linear:
    """`weights`: float32 (features, labels); `bias`: float32 (labels,)."""

    weights: Vectors
    bias: Vectors

    def scores(self, rows: Rows) -> Vectors:
        """float32 (n, labels)."""
        out: Vectors = np.asarray(rows @ self.weights) + self.bias
        return out


def fit_squared_hinge(rows: Rows, codes: Codes, labels: int, *, c: float, steps: int) -> Linear:
    """Minimises mean_i sum_l max(0, 1 - s_il f_l(x_i))^2 + |W|^2 / (2 c n), s = +1 for the row's label, else -1.

    All labels in one L-BFGS, stopped after `steps`: the rest of the descent costs time and gains nothing.
    """
    n, width = rows.shape
    signs = np.full((n, labels), -1.0, dtype=np.float32)
    signs[np.arange(n), codes] = 1.0
    transposed = rows.T.tocsr() if sparse.issparse(rows) else rows.T
    decay = np.float32(1.0 / (c * n))

    def loss(flat: Vectors) -> tuple[float, Vectors]:
        w = flat.reshape(width + 1, labels)
        short = np.maximum(np.float32(0.0), 1.0 - (np.asarray(rows @ w[:-1]) + w[-1]) * signs)
        value = float(np.vdot(short, short)) / n + 0.5 * float(decay) * float(np.vdot(w[:-1], w[:-1]))
        pull = signs * short * np.float32(-2.0 / n)
        gradient = np.empty((width + 1, labels), dtype=np.float32)
        gradient[:-1] = np.asarray(transposed @ pull) + decay * w[:-1]
        gradient[-1] = pull.sum(0)
        return value, gradient.ravel()

    start = np.zeros((width + 1, labels), dtype=np.float32)
    start[-1] = -1.0  # every label begins as "no": right for all rows but its own
    best = minimise(loss, start.ravel(), max_steps=steps, tolerance=_TOLERANCE).reshape(width + 1, labels)
    return Linear(best[:-1], best[-1])


@dataclass(frozen=True, slots=True)
class Kernel:
    """`anchors`: float32 (n, k); `duals`: float32 (n, labels); `mean`: float32 (labels,), the labels' shares."""

    anchors: Vectors
    duals: Vectors
    mean: Vectors
    gamma: float

    def scores(self, units: Vectors) -> Vectors:
        """float32 (m, labels) for unit vectors (m, k)."""
        out: Vectors = gaussian(units, self.anchors, self.gamma) @ self.duals + self.mean
        return out


def fit_kernel_ridge(units: Vectors, codes: Codes, labels: int, *, gamma: float, ridge: float) -> Kernel:
    """Least squares on one-hot labels in the Gaussian kernel's space: one Cholesky, O(n^3 / 3), 8 n^2 bytes."""
    targets = np.eye(labels, dtype=np.float32)[codes]
    mean = targets.mean(0)
    gram = gaussian(units, units, gamma)
    gram[np.diag_indices_from(gram)] += np.float32(ridge)
    factor = linalg.cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    duals = linalg.cho_solve(factor, targets - mean, check_finite=False).astype(np.float32)
    return Kernel(units, duals, mean, gamma)


def gaussian(a: Vectors, b: Vectors, gamma: float) -> Vectors:
    """exp(2 gamma (<a_i, b_j> - 1)) for unit vectors: float32 (len(a), len(b))."""
    out: Vectors = a @ b.T
    out -= np.float32(1.0)
    out *= np.float32(2.0 * gamma)
    return np.exp(out, out=out)
