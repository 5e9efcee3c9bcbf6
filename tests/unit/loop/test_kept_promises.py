"""A promise that is kept is seldom called broken, and one that is broken is found."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.loop.coverage import Promise
from routenlp.loop.kept_promises import broken_promise

PROMISES = {rule: Promise(rule, 0.1, 1.0) for rule in ("quality_ratio", "joint", "conditional")}


def broken(rng, rule, failing, *, n=600, most_audits=600):
    """Audits of a candidate whose accepted answers fail so often."""
    quality = (rng.random(n) >= failing).astype(np.float64)
    rows = [compared(lost=np.zeros(n), quality=quality)]
    return broken_promise(rows, {"t": PROMISES[rule]}, most_audits=most_audits, level=0.2)


@pytest.mark.parametrize("rule", PROMISES)
def test_exactly_at_its_target_a_promise_is_called_broken_at_most_as_often_as_the_level_says(rule):
    rng = np.random.default_rng(1)
    runs = 100
    found = sum(broken(rng, rule, 0.1) is not None for _ in range(runs))
    assert found <= 0.2 * runs + 3.0 * np.sqrt(0.2 * 0.8 * runs)


@pytest.mark.parametrize("rule", PROMISES)
def test_failures_twice_as_often_are_found(rule):
    found = broken(np.random.default_rng(2), rule, 0.2)
    assert found is not None
    assert (found.task, found.rule, found.target) == ("t", rule, 0.1)


def test_a_task_without_a_certificate_has_no_promise_to_break():
    assert broken_promise([compared(lost=np.ones(500))], {}, most_audits=500, level=0.05) is None


def test_a_conversation_counts_once():
    rows = compared(lost=np.ones(500), groups=["one conversation"] * 500)
    assert broken_promise([rows], {"t": PROMISES["quality_ratio"]}, most_audits=500, level=0.05) is None
