"""Expected delays: their order, their limits, and the figures that the design promises."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.drift.delay import expected_delay, more_answers_fail, share_rises_to
from routenlp.drift.detector import once_a_year
from routenlp.drift.watches import watch
from routenlp.errors import DataError

JOINT = watch("joint", 0.05)


def delay(samples_a_day, risk, **more):
    detector = once_a_year(JOINT, samples_a_day)
    after = share_rises_to(risk, 0.05)
    return expected_delay(detector, after, samples_a_day, np.random.default_rng(0), **more)


def test_a_doubled_risk_is_found_within_days():
    found = delay(100, 0.10)
    assert found.median_days <= 3.2
    assert found.p90_days <= 6.5


def test_few_audits_and_small_rises_take_longer():
    assert 15 <= delay(8, 0.10).median_days <= 24
    assert delay(100, 0.07).median_days > 2 * delay(100, 0.10).median_days
    assert delay(100, 0.20).median_days < delay(100, 0.10).median_days


def test_what_is_later_than_was_looked_at_is_unknown():
    found = delay(8, 0.10, most_days=10.0)
    assert (found.median_days, found.p90_days) == (None, None)


def test_no_audits_never_find_anything():
    found = expected_delay(once_a_year(JOINT, 0.0), share_rises_to(0.5, 0.05), 0.0, np.random.default_rng(0))
    assert found.median_days is None


def test_the_same_draws_give_the_same_delay():
    assert delay(100, 0.1) == delay(100, 0.1)


def test_answers_that_fail_more_often_raise_the_mean_by_their_quality():
    z, kept = np.array([-0.03, 0.97]), np.array([0.97, 0.97])
    after = more_answers_fail(z, 0.1, kept)
    assert after.chance.sum() == pytest.approx(1.0)
    assert after.x @ after.chance == pytest.approx(0.9 * z.mean() + 0.1 * 0.97)
    with pytest.raises(DataError, match="rows"):
        more_answers_fail(np.empty(0), 0.1, np.empty(0))
