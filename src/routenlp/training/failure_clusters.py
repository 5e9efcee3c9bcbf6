"""Finds groups among failures: principal axes, then k-means for several k, of which the silhouette picks one.

k-means on rows of unit length (Lloyd 1982, begun by k-means++, the best of a few starts). The silhouette
(Rousseeuw 1987) is computed on at most `SILHOUETTE_ROWS` rows. Where no k separates anything, one group is the answer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Clusterer
from routenlp.errors import SettingsError
from routenlp.loop.clusters import project
from routenlp.types import ClusterSpace, Vectors

AXES = 128
FEWEST_ROWS = 20
"""Of a cluster, on average: more clusters than that are not tried."""
SILHOUETTE_ROWS = 2_000
LEAST_SILHOUETTE = 0.01
"""Under it k-means has cut one cloud into pieces."""
_TRIED = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48)


@dataclass(frozen=True, slots=True)
class KMeansClusterer:
    """A `contracts.Clusterer`; numpy and scikit-learn."""

    tried: Sequence[int] = _TRIED
    starts: int = 3

    def fit(self, vectors: Vectors, *, seed: int) -> ClusterSpace:
        """One centre for one row, for equal rows, and where no k separates them."""
        space = fit_axes(vectors)
        rows = project(space, vectors)
        best, best_score = ClusterSpace(space.mean, space.axes, _single_centre(rows)), LEAST_SILHOUETTE
        distinct = len(np.unique(rows, axis=0))
        chosen = np.random.default_rng(seed).permutation(len(rows))[:SILHOUETTE_ROWS]
        for k in self.tried:
            if k >= distinct or k * FEWEST_ROWS > len(rows):
                break
            centres, labels = self._k_means(rows, k, seed)
            score = _silhouette(rows[chosen], labels[chosen])
            if score > best_score:
                best, best_score = ClusterSpace(space.mean, space.axes, centres), score
        return best

    def _k_means(self, rows: Vectors, k: int, seed: int) -> tuple[Vectors, NDArray[np.int64]]:
        from sklearn.cluster import KMeans

        found = KMeans(k, n_init=self.starts, random_state=seed, max_iter=50).fit(rows)
        return found.cluster_centers_.astype(np.float32), found.labels_.astype(np.int64)


@dataclass(frozen=True, slots=True)
class DensityClusterer:
    """A `contracts.Clusterer` by HDBSCAN (Campello et al. 2013): centres are the means of the dense groups it finds.

    Rows that it calls noise belong to the nearest centre, as any new query does.
    """

    fewest: int = FEWEST_ROWS

    def fit(self, vectors: Vectors, *, seed: int) -> ClusterSpace:  # noqa: ARG002 - the method has no chance in it
        """One centre where nothing is dense."""
        from sklearn.cluster import HDBSCAN

        space = fit_axes(vectors)
        rows = project(space, vectors)
        if len(rows) < 2 * self.fewest:
            return ClusterSpace(space.mean, space.axes, _single_centre(rows))
        labels = HDBSCAN(min_cluster_size=self.fewest, copy=True).fit(rows).labels_
        groups = [rows[labels == c].mean(axis=0) for c in range(int(labels.max()) + 1)]
        centres = np.stack(groups) if groups else _single_centre(rows)
        return ClusterSpace(space.mean, space.axes, centres.astype(np.float32))


CLUSTERERS: Mapping[str, Callable[[], Clusterer]] = {"kmeans": KMeansClusterer, "hdbscan": DensityClusterer}


def clusterer(name: str) -> Clusterer:
    """By the name that settings give."""
    if name not in CLUSTERERS:
        raise SettingsError("clusters", f"is {name!r}", f"Choose one of {', '.join(CLUSTERERS)}.")
    return CLUSTERERS[name]()


def fit_axes(vectors: Vectors) -> ClusterSpace:
    """The principal axes, at most 128, widest first; not yet any centre."""
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = (vectors - mean).astype(np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    kept = min(AXES, max(len(vectors) - 1, 1), vectors.shape[1])
    widest = np.ascontiguousarray(axes[:, ::-1][:, :kept]).astype(np.float32)
    signs = np.sign(widest[np.abs(widest).argmax(axis=0), np.arange(kept)])  # eigenvectors come with either sign
    return ClusterSpace(
        mean, widest * np.where(signs == 0, 1, signs).astype(np.float32), np.zeros((0, kept), np.float32)
    )


def _single_centre(rows: Vectors) -> Vectors:
    return np.asarray(rows.mean(axis=0, keepdims=True), dtype=np.float32)


def _silhouette(rows: Vectors, labels: NDArray[np.int64]) -> float:
    from sklearn.metrics import silhouette_score

    if not 2 <= len(np.unique(labels)) < len(labels):
        return -1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(silhouette_score(rows, labels))
