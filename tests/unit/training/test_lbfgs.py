from __future__ import annotations

import numpy as np
import pytest

from routenlp.training.lbfgs import minimise


def test_it_finds_the_minimum_of_a_bowl():
    centre, width = np.array([1.0, -2.0, 3.0], dtype=np.float32), np.array([1.0, 10.0, 0.1], dtype=np.float32)

    def bowl(at):
        return float((width * (at - centre) ** 2).sum()), 2.0 * width * (at - centre)

    found = minimise(bowl, np.zeros(3, dtype=np.float32), max_steps=60, tolerance=1e-9)
    assert found == pytest.approx(centre, abs=1e-2)


def test_a_turn_too_small_to_be_squared_ends_the_search_and_not_the_program():
    def nearly_flat(at):
        return 0.5e-16 * float(at[0]) ** 2, np.float32(1e-16) * at

    found = minimise(nearly_flat, np.full(1, 1e-6, dtype=np.float32), max_steps=5, tolerance=1e-4)
    assert np.isfinite(found).all()
