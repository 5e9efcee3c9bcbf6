"""Segments lie in a candidate's folder, come back as they were, and are part of what its version is named by."""

from __future__ import annotations

import numpy as np
from tests.unit.store.made_policies import made

from routenlp.store import segments
from routenlp.store.version_folders import content_of
from routenlp.types import ClusterSpace

SPACE = ClusterSpace(np.zeros(4, np.float32), np.eye(4, 2, dtype=np.float32), np.ones((3, 2), np.float32))


def test_they_come_back_as_they_were(tmp_path):
    segments.write(tmp_path, {"intent": SPACE})
    back = segments.read(tmp_path)["intent"]
    assert back.centres.tolist() == SPACE.centres.tolist()
    assert back.axes.shape == (4, 2)


def test_a_folder_without_them_has_none(tmp_path):
    segments.write(tmp_path, {})
    assert segments.read(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_they_are_part_of_the_version(tmp_path):
    folder = made(tmp_path / "p", 0.25)
    before = content_of(folder).id
    segments.write(folder, {"intent": SPACE})
    assert content_of(folder).id != before
