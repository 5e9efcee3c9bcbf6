"""Estimates of one query alone, fused, against the same among many."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.unit.graded_world import DIMENSIONS, TASKS, TIERS, bounds, graded_world

from routenlp.router.isotonic import IsotonicMaps
from routenlp.router.one_row import TOLERANCE, one_row
from routenlp.router.stack import StackedEstimates
from routenlp.training.stack_fit import FITS, fit_stack

train, fresh = graded_world(300, seed=1), graded_world(100, seed=2)


def stack(*members, quality=train.quality, seed=0):
    return fit_stack(
        *train.arguments(quality), tasks=TASKS, seed=seed, members=members, **bounds(quality.shape[1])
    ).model


def mapped(fitted):
    """The same through made maps, whether or not the fit found any worth it."""
    rng = np.random.default_rng(3)
    knots = np.sort(rng.random((TIERS, 7)), axis=1)
    return replace(fitted, maps=IsotonicMaps(knots, np.sort(rng.random((TASKS, TIERS, 7)), axis=2)))


few = train.quality.copy()
few[10:, 1] = np.nan
SETTINGS = {  # what fits them: at import, every process of a test run would fit them all
    "the router's own": lambda: (stack("logistic", "landmarks"), stack("ridge", "landmarks")),
    "through maps": lambda: (mapped(stack("logistic", "landmarks")), mapped(stack("ridge", "landmarks"))),
    "one tier is not learned": lambda: (stack("logistic", "landmarks", quality=few), stack("ridge", "landmarks")),
    "other landmarks": lambda: (stack("logistic", "landmarks"), stack("landmarks", "ridge", seed=1)),
    "no landmarks": lambda: (stack("logistic"), stack("ridge", "logistic")),
    "landmarks alone": lambda: (stack("landmarks"),),
    "a kind that is not fused": lambda: (stack("logistic", "neighbours"), stack("ridge", "landmarks")),
    "no member": lambda: (
        StackedEstimates((), np.zeros((0, 0)), None, np.zeros(0, dtype=np.int64), np.array([0.2, 0.7])),
    ),
    "no stack": lambda: tuple(FITS[kind](*train.arguments(), tasks=TASKS, seed=0, **bounds()).model for kind in FITS),
}


@cache
def estimators_of(setting):
    return SETTINGS[setting]()


@pytest.mark.parametrize("setting", SETTINGS)
def test_one_query_alone_is_estimated_as_among_many(setting):
    estimators = estimators_of(setting)
    many = [estimator.estimate(fresh.features, fresh.task) for estimator in estimators]
    alone = one_row(estimators)
    for i, (features, task) in enumerate(zip(fresh.features, fresh.task.tolist(), strict=True)):
        for found, expected in zip(alone(features, task), many, strict=True):
            assert found == pytest.approx(expected[i].tolist(), abs=TOLERANCE)


@pytest.mark.parametrize("setting", SETTINGS)
def test_odd_features_are_estimated_too(setting):
    estimators = estimators_of(setting)
    for features in (np.zeros(DIMENSIONS), np.full(DIMENSIONS, 1e4), np.full(DIMENSIONS, -1e4)):
        row = features.astype(np.float32)
        for found, estimator in zip(one_row(estimators)(row, 1), estimators, strict=True):
            assert found == pytest.approx(estimator.estimate(row[None], np.array([1]))[0].tolist(), abs=1e-3)


def test_asking_twice_gives_the_same_bits():
    alone = one_row(estimators_of("the router's own"))
    first, second = (alone(fresh.features[0], 2) for _ in range(2))
    assert first == second
    assert [len(of_tiers) for of_tiers in first] == [TIERS, TIERS]
