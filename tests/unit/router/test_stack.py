"""The blend of several estimators."""

from __future__ import annotations

import numpy as np
from tests.unit.graded_world import TASKS, bounds, graded_world

from routenlp.router.stack import StackedEstimates
from routenlp.training.stack_fit import fit_stack

rows = graded_world(300, seed=1)
fitted = fit_stack(*rows.arguments(), tasks=TASKS, seed=0, **bounds()).model


def with_weight(first):
    weights = np.array([[first] * 3, [1.0 - first] * 3])
    return StackedEstimates(fitted.members, weights, None, fitted.learned, fitted.mean)


def test_all_weight_on_one_member_is_that_member():
    for first, member in ((1.0, fitted.members[0]), (0.0, fitted.members[1])):
        expected = member.estimate(rows.features, rows.task)
        assert np.allclose(with_weight(first).estimate(rows.features, rows.task), expected)


def test_a_stack_of_nothing_says_the_means():
    mean = np.array([0.2, 0.7])
    empty = StackedEstimates((), np.zeros((0, 0)), None, np.zeros(0, dtype=np.int64), mean)
    assert (empty.estimate(rows.features, rows.task) == mean).all()
