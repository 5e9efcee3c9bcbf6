"""Assignment, labels and exemplars of clusters, by hand."""

from __future__ import annotations

import numpy as np

from routenlp.loop.clusters import assign, describe, label_by_words
from routenlp.types import ClusterSpace

SPACE = ClusterSpace(
    np.zeros(2, dtype=np.float32),
    np.eye(2, dtype=np.float32),
    np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=np.float32),
)
ROWS = np.array([[2.0, 0.1], [0.1, 3.0], [1.0, 0.5], [5.0, 0.0]], dtype=np.float32)


def test_direction_decides_and_length_does_not():
    assert assign(SPACE, ROWS).tolist() == [0, 1, 0, 0]
    assert assign(SPACE, ROWS * 10).tolist() == [0, 1, 0, 0]


def test_clusters_have_members_and_the_nearest_as_exemplars_and_empty_ones_are_left_out():
    texts = ["cash withdrawal", "card lost", "cash limit", "cash fee"]
    first, second = describe("t", SPACE, ROWS, texts)
    assert (first.index, first.size, first.members, first.exemplars) == (0, 3, (0, 2, 3), (3, 0, 2))
    assert (second.index, second.members) == (1, (1,))
    assert first.label.split(", ")[0] == "cash"


def test_no_rows_no_clusters():
    assert describe("t", SPACE, np.zeros((0, 2), dtype=np.float32), []) == ()


def test_a_row_of_zeros_belongs_somewhere():
    assert assign(SPACE, np.zeros((1, 2), dtype=np.float32)).shape == (1,)


def test_labels_prefer_what_others_do_not_say():
    labels = label_by_words({0: ["refund order", "refund please"], 1: ["lost order", "order lost"]}, words=1)
    assert labels == {0: "refund", 1: "lost"}


def test_texts_without_words_still_have_a_label():
    assert label_by_words({0: ["12 34", ""]}) == {0: "(no words)"}
