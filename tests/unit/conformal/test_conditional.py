"""Rule `conditional`: only accepted rows count, and the walk begins where training predicts enough of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from routenlp.conformal.conditional import conditional, most_testable
from routenlp.conformal.groups import row_units
from routenlp.conformal.verdict import Status


def policies(n, *accepted_and_failed):
    accepted = np.zeros((len(accepted_and_failed), n), dtype=bool)
    failed = np.zeros_like(accepted)
    for g, (count, wrong) in enumerate(accepted_and_failed):
        accepted[g, :count] = True
        failed[g, :wrong] = True
    return accepted, failed


def test_it_is_the_binomial_tail_of_the_accepted_rows():
    accepted, failed = policies(500, (200, 8))
    verdict = conditional(accepted, failed, alpha=0.1, delta=0.1, units=row_units(500, seed=0))
    assert verdict.p_values[0] == pytest.approx(stats.binom.cdf(8, 200, 0.1), abs=1e-12)
    assert verdict.estimate == pytest.approx(0.04)
    assert verdict.bound == pytest.approx(stats.beta.ppf(0.9, 9, 192), abs=1e-9)


def test_a_failure_of_the_top_tier_does_not_count():
    accepted, failed = policies(500, (200, 0))
    failed[0, 200:] = True
    assert conditional(accepted, failed, alpha=0.1, delta=0.1, units=row_units(500, seed=0)).estimate == 0.0


def test_the_walk_may_skip_policies_that_accept_too_little_to_be_tested():
    accepted, failed = policies(500, (5, 0), (200, 8), (300, 60))
    units = row_units(500, seed=0)
    assert conditional(accepted, failed, alpha=0.1, delta=0.1, units=units).selected == 0
    later = conditional(accepted, failed, alpha=0.1, delta=0.1, units=units, start=2)
    assert (later.selected, later.tested_from, later.status) == (2, 2, Status.CERTIFIED)


def test_a_policy_that_accepts_nothing_does_not_pass():
    accepted, failed = policies(500, (0, 0))
    assert conditional(accepted, failed, alpha=0.1, delta=0.1, units=row_units(500, seed=0)).p_values == (1.0,)


def test_training_rows_say_where_to_begin():
    accepted, failed = policies(2_000, (20, 0), (800, 30), (1_600, 200))
    assert most_testable(accepted, failed, alpha=0.1) == 2


@pytest.mark.parametrize("counts", [(), ((0, 0), (0, 0))])
def test_without_anything_accepted_in_training_it_begins_at_the_first(counts):
    assert most_testable(*policies(100, *counts), alpha=0.1) == 1
