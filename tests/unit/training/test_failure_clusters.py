"""Clusters of failures: known groups are found again, and degenerate rows are no trouble."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.errors import SettingsError
from routenlp.loop.clusters import assign
from routenlp.training.failure_clusters import DensityClusterer, KMeansClusterer, clusterer


def blobs(groups: int, each: int, width: int = 40, spread: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((groups, width))
    member = np.repeat(np.arange(groups), each)
    return (centres[member] + spread * rng.standard_normal((len(member), width))).astype(np.float32), member


@pytest.mark.parametrize("made", [KMeansClusterer(), DensityClusterer()])
def test_known_groups_are_found_again(made):
    rows, member = blobs(4, 60)
    space = made.fit(rows, seed=0)
    found = assign(space, rows)
    assert len(space.centres) == 4
    assert len({(int(a), int(b)) for a, b in zip(found, member, strict=True)}) == 4


@pytest.mark.parametrize("made", [KMeansClusterer(), DensityClusterer()])
@pytest.mark.parametrize("rows", [np.ones((1, 8)), np.ones((50, 8)), np.zeros((3, 8)), np.eye(8)])
def test_one_row_and_equal_rows_are_one_cluster(made, rows):
    space = made.fit(rows.astype(np.float32), seed=0)
    assert len(space.centres) == 1
    assert set(assign(space, rows.astype(np.float32)).tolist()) == {0}


def test_a_formless_cloud_is_not_cut_into_many():
    rows = np.random.default_rng(2).standard_normal((400, 200)).astype(np.float32)
    assert len(KMeansClusterer().fit(rows, seed=0).centres) <= 2


def test_the_same_rows_and_seed_give_the_same_centres():
    rows, _ = blobs(3, 50)
    first, second = (KMeansClusterer().fit(rows, seed=5) for _ in range(2))
    assert np.array_equal(first.centres, second.centres)


def test_axes_are_at_most_128():
    rows = np.random.default_rng(3).standard_normal((300, 384)).astype(np.float32)
    assert KMeansClusterer().fit(rows, seed=0).axes.shape == (384, 128)


def test_an_unknown_method_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"clusters: is 'magic'.*kmeans, hdbscan"):
        clusterer("magic")
