"""Features as the estimators look at them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Vectors


def unit_rows(features: Vectors) -> Vectors:
    """Rows of length 1, so that a dot product is a cosine; a row of zeros stays one."""
    squared = np.einsum("ij,ij->i", features, features)
    squared[squared == 0.0] = 1.0
    return np.asarray(features / np.sqrt(squared)[:, None], dtype=np.float32)


def task_columns(task: NDArray[np.int64], tasks: int) -> FloatArray:
    """One-hot of the task, shape (n, tasks)."""
    shown = np.zeros((len(task), tasks))
    shown[np.arange(len(task)), task] = 1.0
    return shown
