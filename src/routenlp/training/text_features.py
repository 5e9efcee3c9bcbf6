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

from routenlp.backends.encoders.ngrams import NgramHasher
from routenlp.types import FloatArray, Vectors

HASHER = NgramHasher(words=(1, 2), chars=(), max_chars=4_000)
HASH_BITS = 18
AXES = 128
FEWEST_ROWS = 3
"""Of an n-gram: in fewer training texts it is not kept."""
MOST_NGRAMS = 30_000
SURFACE = 5
SURFACE_SCALE = 0.1
"""Of the standardised surface features beside unit vectors: small, or distances between texts would be lengths only."""
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
        found, count = np.unique(HASHER.hashes(text) >> np.uint32(32 - HASH_BITS), return_counts=True)
        columns.append(found)
        values.append(1.0 + np.log(count))
        ends.append(ends[-1] + len(found))
    shape = (len(texts), 2**HASH_BITS)
    flat = np.concatenate(values).astype(np.float32), np.concatenate(columns).astype(np.int32)
    ngrams = csr_matrix((*flat, np.array(ends, dtype=np.int32)), shape=shape)
    return TextCounts(ngrams, np.array([_surface(text) for text in texts]).reshape(len(texts), SURFACE))


def fit_text_features(counts: TextCounts, train: NDArray[np.int64], *, seed: int) -> Vectors:
    """Features of every text, shape (n, axes + SURFACE), from what the texts at `train` have in common."""
    weighted = _weighted(counts.ngrams, train)
    axes = _axes(weighted[train], seed)
    mean, scale = counts.surface[train].mean(axis=0), counts.surface[train].std(axis=0)
    surface = SURFACE_SCALE * (counts.surface - mean) / np.where(scale > 0.0, scale, 1.0)
    return np.concatenate([weighted @ axes, surface], axis=1).astype(np.float32)


def _surface(text: str) -> tuple[float, ...]:
    head = text[:4_000]
    size = max(len(head), 1)
    digits, upper = sum(map(str.isdigit, head)) / size, sum(map(str.isupper, head)) / size
    return (
        float(np.log1p(len(text))),
        float(np.log1p(text.count(" "))),
        float(np.log1p(text.count("\n"))),
        digits,
        upper,
    )


def _weighted(ngrams: Any, train: NDArray[np.int64]) -> Any:
    """Rows of tf-idf of unit length over the n-grams kept; idf is ln((1 + n) / (1 + df)) + 1."""
    from scipy.sparse import diags

    df = np.bincount(ngrams[train].indices, minlength=ngrams.shape[1])
    kept = np.flatnonzero(df >= min(FEWEST_ROWS, max(1, len(train) // 10)))
    kept = np.sort(kept[np.argsort(-df[kept], kind="stable")][:MOST_NGRAMS])
    idf = (np.log((1.0 + len(train)) / (1.0 + df[kept])) + 1.0).astype(np.float32)
    weighted = ngrams[:, kept] @ diags(idf)
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
