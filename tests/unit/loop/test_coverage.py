"""The diagnostic after an update: measured on other rows, and contradicted only where they are evident."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.loop.coverage import Promise, coverage

RATIO = Promise("quality_ratio", 0.03, 1.0)


def failing(share, n=600, cheap=True):
    lost = (np.arange(n) % round(1 / share) == 0).astype(float) if share else np.zeros(n)
    return compared(lost=lost, cheap=cheap)


def measured(rows, promise):
    return coverage(rows, promise, handled_at=1.0, level=0.05)


@pytest.mark.parametrize("rule", ["quality_ratio", "joint", "conditional"])
def test_a_promise_that_holds_is_not_called_broken(rule):
    assert not measured(failing(0.02), Promise(rule, 0.05, 1.0)).contradicted


@pytest.mark.parametrize("rule", ["quality_ratio", "joint", "conditional"])
def test_a_broken_promise_is_found(rule):
    found = measured(failing(0.2), Promise(rule, 0.05, 1.0))
    assert found.contradicted
    assert found.failed_given_accepted.estimate == pytest.approx(0.2)
    assert found.quality_ratio == pytest.approx(0.8)


def test_failures_of_the_top_tier_break_neither_joint_nor_conditional():
    rows = failing(0.2, cheap=False)
    assert not measured(rows, Promise("joint", 0.05, 1.0)).contradicted
    assert not measured(rows, Promise("conditional", 0.05, 1.0)).contradicted


def test_of_each_conversation_the_first_row_counts():
    rows = compared(lost=np.ones(50), groups=["one"] * 50)
    found = measured(rows, RATIO)
    assert found.rows == 1
    assert not found.contradicted


def test_without_a_certificate_nothing_is_contradicted_and_all_is_measured():
    found = measured(failing(0.5), None)
    assert not found.contradicted
    assert found.quality_ratio == pytest.approx(0.5)
