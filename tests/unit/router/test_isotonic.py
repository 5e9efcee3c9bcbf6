"""Rising maps."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.router.isotonic import IsotonicMaps

MAPS = IsotonicMaps(
    knots=np.array([[0.0, 0.5, 1.0], [0.2, 0.2, 0.4]]),
    levels=np.array([[[0.1, 0.3, 0.9], [0.0, 0.5, 1.0]], [[0.0, 0.0, 0.4], [0.5, 0.5, 0.5]]]),
)


@pytest.mark.parametrize(
    ("predicted", "task", "expected"),
    [(0.25, 0, 0.2), (0.5, 0, 0.3), (0.75, 0, 0.6), (0.75, 1, 0.2), (-1.0, 0, 0.1), (2.0, 0, 0.9)],
)
def test_between_knots_the_map_is_linear_and_beyond_them_flat(predicted, task, expected):
    found = MAPS.of(np.array([[predicted, 0.3]]), np.array([task]))
    assert found[0, 0] == pytest.approx(expected)


def test_knots_on_one_spot_are_a_step():
    found = MAPS.of(np.array([[0.0, 0.2], [0.0, 0.2 + 1e-9], [0.0, 0.3]]), np.zeros(3, dtype=np.int64))[:, 1]
    assert found == pytest.approx([0.0, 0.5, 0.75], abs=1e-6)


def test_maps_do_not_fall():
    p = np.linspace(-0.5, 1.5, 101)[:, None].repeat(2, axis=1)
    for task in (0, 1):
        assert (np.diff(MAPS.of(p, np.full(101, task)), axis=0) >= 0.0).all()


def test_a_single_row_has_the_same_bits_as_many():
    rng = np.random.default_rng(0)
    maps = IsotonicMaps(np.sort(rng.random((3, 12)).round(1), axis=1), np.sort(rng.random((2, 3, 12)), axis=2))
    predicted = np.concatenate([rng.random((300, 3)), rng.random((300, 3)).round(1), [[-1.0, 2.0, 0.5]]])
    task = rng.integers(0, 2, len(predicted))
    many = maps.of(predicted, task)
    for i in range(len(predicted)):
        assert maps.of_one(predicted[i].tolist(), int(task[i])) == many[i].tolist()
