"""Rows of two policies: taken apart for the record and back, and refused where they do not fit together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.errors import DataError
from routenlp.loop.compared import as_evidence, first_of_each_group, from_evidence, no_rows

ROWS = compared(lost=np.array([0.0, 1.0, -0.5]), saved=0.1, groups=["a", "b", "a"], segments=[2, -1, 0])


def test_they_come_back_from_json_as_they_were():
    (back,) = from_evidence(json.loads(json.dumps(as_evidence([ROWS]), allow_nan=False)))
    assert (back.task, back.ids, back.groups) == (ROWS.task, ROWS.ids, ROWS.groups)
    assert back.lost.tolist() == ROWS.lost.tolist()
    assert back.named_segments == (0, 2)
    assert back.cheap.dtype == np.bool_


def test_rows_without_a_value_are_refused():
    with pytest.raises(DataError, match="another number of candidate"):
        replace(ROWS, candidate=np.zeros(2))


def test_of_each_group_the_first_counts():
    assert first_of_each_group(ROWS.groups).tolist() == [0, 1]


def test_some_rows_are_rows_too():
    assert ROWS.rows(ROWS.segments >= 0).ids == ("t-0", "t-2")
    assert no_rows("t").n == 0
    assert ROWS.unsegmented().named_segments == ()
