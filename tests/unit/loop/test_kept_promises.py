"""A promise that is kept is seldom called broken, and one that is broken is found."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.loop.coverage import Promise
from routenlp.loop.kept_promises import ServedAudits, broken_promise

PROMISES = {rule: Promise(rule, 0.1, 1.0) for rule in ("quality_ratio", "joint", "conditional")}


def broken(rng, rule, failing, *, n=600):
    """Audits beside a top tier that never fails, of a candidate whose accepted answers fail so often."""
    x = (rng.random(n) < failing) - 0.1
    return broken_promise([ServedAudits("t", PROMISES[rule], tuple(x.tolist()))], most_audits=n, level=0.2)


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


def test_what_served_nothing_broke_nothing():
    nothing = ServedAudits("t", PROMISES["joint"], ())
    assert broken_promise([nothing], most_audits=500, level=0.05) is None
    assert broken_promise([], most_audits=500, level=0.05) is None
