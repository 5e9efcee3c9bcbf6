"""The strongest claim on the way."""

from __future__ import annotations

import pytest

from routenlp.conformal.inversion import strongest_claim


@pytest.mark.parametrize("edge", [0.0, 0.013, 0.5, 0.97])
def test_it_stops_short_of_the_edge_by_less_than_a_step(edge):
    up = strongest_claim(lambda v: v < edge, 0.0, 1.0)
    assert edge - 2e-4 < up <= edge
    down = strongest_claim(lambda v: v > edge, 1.0, 0.0)
    assert edge <= down < edge + 2e-4


def test_a_gap_is_not_jumped():
    assert strongest_claim(lambda v: not 0.4 < v < 0.6, 0.0, 1.0) <= 0.4


def test_it_never_reaches_the_end():
    assert 0.999 < strongest_claim(lambda v: True, 0.0, 1.0) < 1.0
