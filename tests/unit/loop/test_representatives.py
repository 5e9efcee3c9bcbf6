"""Facility location: dense regions first, no copies, nothing that is known already."""

from __future__ import annotations

import itertools

import numpy as np

from routenlp.loop.representatives import Field, cover

NOTHING = np.zeros((0, 2), dtype=np.float32)


def field(vectors, weight=None, allowed=None) -> Field:
    rows = np.array(vectors, dtype=np.float32)
    n = len(rows)
    return Field(
        rows,
        np.ones(n) if weight is None else np.array(weight, dtype=np.float64),
        np.ones(n, dtype=np.bool_) if allowed is None else np.array(allowed),
    )


def at(*degrees: float) -> list[list[float]]:
    return [[np.cos(np.radians(d)), np.sin(np.radians(d))] for d in degrees]


def test_the_middle_of_the_densest_region_comes_first_and_then_the_next_region():
    assert cover(field(at(0, 5, 10, 90, 92)), NOTHING, 2).tolist() in ([1, 3], [1, 4])


def test_what_was_learned_already_is_not_learned_again():
    known = np.array(at(5), dtype=np.float32)
    assert cover(field(at(0, 5, 10, 90, 92)), known, 1).tolist() in ([3], [4])


def test_weight_decides_between_regions():
    assert cover(field(at(0, 1, 90), weight=[1.0, 1.0, 5.0]), NOTHING, 1).tolist() == [2]


def test_rows_that_may_not_be_picked_still_want_to_be_covered():
    found = cover(field(at(0, 1, 2, 60), allowed=[False, False, True, True]), NOTHING, 1)
    assert found.tolist() == [2]


def test_the_budget_is_met_even_when_nothing_is_left_to_gain():
    assert sorted(cover(field(at(0, 0, 0)), NOTHING, 3).tolist()) == [0, 1, 2]
    assert cover(field(at(0, 0)), NOTHING, 5).tolist() in ([0, 1], [1, 0])


def test_without_rows_or_budget_nothing_is_picked():
    assert cover(field(np.zeros((0, 2))), NOTHING, 3).tolist() == []
    assert cover(field(at(0, 1)), NOTHING, 0).tolist() == []


def test_greedy_is_within_its_bound_of_the_best_set():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((10, 3)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    likeness = np.maximum(unit @ unit.T, 0.0) ** 6.0

    def value(chosen) -> float:
        return float(likeness[:, list(chosen)].max(axis=1).sum())

    best = max(value(c) for c in itertools.combinations(range(10), 3))
    assert value(cover(field(rows), NOTHING, 3)) >= (1 - 1 / np.e) * best
