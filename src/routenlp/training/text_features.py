"""Features of texts for a whole recording in seconds: hashed words and pairs of words, tf-idf, truncated SVD.

Counting is done once for all splits of a recording, as it looks at one text at a time. What looks across texts
(which n-grams are kept, how rare they are, the axes, the scales) is fitted on the training fold alone. The axes come
from a randomised range finder (Halko, Martinsson & Tropp 2011, algorithm 4.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.hashed import HASH_BITS, HashedEncoder, ngram_counts
from routenlp.router.reading import SURFACE, SurfaceFrame, frame_surface, surface
from routenlp.types import FloatArray, Vectors

AXES = 128
FEWEST_ROWS = 3
"""Of an n-gram: in fewer training texts it is not kept."""
MOST_NGRAMS = 30_000
_OVERSAMPLING = 10
_POWER_STEPS = 2


@dataclass(frozen=True, slots=True, eq=False)
class TextCounts:
    """What the texts say one by one."""

    ngrams: Any
    """scipy CSR, float32, shape (n, 2^HASH_BITS): 1 + ln(count)."""
    surface: FloatArray
    """Shape (n, SURFACE)."""


def count_texts(texts: Sequence[str]) -> TextCounts:
    """Defined for every text; a blank one has no n-grams."""
    from scipy.sparse import csr_matrix

    columns, values, ends = [], [], [0]
    for text in texts:
        found, value = ngram_counts(text)
        columns.append(found.astype(np.int32))
        values.append(value.astype(np.float32))
        ends.append(ends[-1] + len(found))
    shape = (len(texts), 2**HASH_BITS)
    flat = np.concatenate(values), np.concatenate(columns)
    ngrams = csr_matrix((*flat, np.array(ends, dtype=np.int32)), shape=shape)
    return TextCounts(ngrams, np.array([surface(text) for text in texts]).reshape(len(texts), SURFACE))


@dataclass(frozen=True, slots=True, eq=False)
class TextFrame:
    """What looks across texts, fitted on training texts alone."""

    known: NDArray[np.int32]
    """Columns of the n-grams kept, rising, shape (v,)."""
    idf: NDArray[np.float32]
    """ln((1 + n) / (1 + df)) + 1, shape (v,)."""
    axes: NDArray[np.float16]
    """Shape (v, at most AXES). Rounded once, here, so that backtests and stored encoders give the same vectors."""
    surface: SurfaceFrame

    def features(self, counts: TextCounts) -> Vectors:
        """Of every text, shape (n, axes + SURFACE)."""
        vectors = _weighted(counts.ngrams, self.known, self.idf) @ self.axes.astype(np.float32)
        return np.concatenate([vectors, self.surface.of(counts.surface)], axis=1).astype(np.float32)

    def encoder(self) -> HashedEncoder:
        """For serving: with `surface.beside` it gives the same features."""
        return HashedEncoder(self.known, self.idf, self.axes)


def fit_text_frame(counts: TextCounts, train: NDArray[np.int64], *, seed: int) -> TextFrame:
    """From what the texts at `train` have in common."""
    df = np.bincount(counts.ngrams[train].indices, minlength=counts.ngrams.shape[1])
    kept = np.flatnonzero(df >= min(FEWEST_ROWS, max(1, len(train) // 10)))
    known: NDArray[np.int32] = np.sort(kept[np.argsort(-df[kept], kind="stable")][:MOST_NGRAMS]).astype(np.int32)
    idf = (np.log((1.0 + len(train)) / (1.0 + df[known])) + 1.0).astype(np.float32)
    axes = _axes(_weighted(counts.ngrams[train], known, idf), seed).astype(np.float16)
    return TextFrame(known, idf, axes, frame_surface(counts.surface[train]))


def fit_text_features(counts: TextCounts, train: NDArray[np.int64], *, seed: int) -> Vectors:
    """Features of every text, shape (n, axes + SURFACE), from what the texts at `train` have in common."""
    return fit_text_frame(counts, train, seed=seed).features(counts)


def _weighted(ngrams: Any, known: NDArray[np.int32], idf: NDArray[np.float32]) -> Any:
    """Rows of tf-idf of unit length over the n-grams kept."""
    from scipy.sparse import diags

    weighted = ngrams[:, known] @ diags(idf)
    norm = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    return (diags((1.0 / np.where(norm > 0.0, norm, 1.0)).astype(np.float32)) @ weighted).tocsr()


def _axes(rows: Any, seed: int) -> Vectors:
    """The leading right singular vectors, shape (n-grams, at most AXES)."""
    n, width = rows.shape
    most = min(AXES, n - 1, width)
    if most < 1:
        return np.zeros((width, 0), dtype=np.float32)
    sketch = min(most + _OVERSAMPLING, n, width)
    across = rows.T.tocsr()
    found = rows @ np.random.default_rng(seed).standard_normal((width, sketch)).astype(np.float32)
    for _ in range(_POWER_STEPS):
        found = rows @ (across @ np.linalg.qr(found)[0])
    basis = across @ np.linalg.qr(found)[0]
    values, vectors = np.linalg.eigh((basis.T @ basis).astype(np.float64))
    order = np.argsort(-values)[:most]
    length = np.sqrt(np.maximum(values[order], 1e-12))
    return np.asarray((basis @ (vectors[:, order] / length)).astype(np.float32))
