"""Vectors as likeness looks at them: by their directions alone."""

from __future__ import annotations

import numpy as np

from routenlp.types import Vectors


def directions(vectors: Vectors) -> Vectors:
    """Each row at length 1, shape (n, d); zeros stay zeros."""
    length = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return np.asarray(vectors / np.maximum(length, np.float32(1e-12)), dtype=np.float32)
