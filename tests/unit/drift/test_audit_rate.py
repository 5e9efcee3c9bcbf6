"""How much is audited: enough for an alarm in time, never less than the least, seldom more than is worth it."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.drift.audit_rate import SEEN, Asked, Why, audits_wanted, planned_rate
from routenlp.drift.delay import Samples, expected_delay
from routenlp.drift.detector import once_a_year
from routenlp.drift.watches import watch

ASKED = Asked(rate=0.02, most_rate=0.12, alarm_days=3.0)


@pytest.mark.parametrize(
    ("requests_a_day", "rate", "why"),
    [
        (1_000_000.0, 0.02, Why.ENOUGH),
        (3_500.0, audits_wanted(0.03, 3.0) / 3_500.0, Why.ALARM),
        (200.0, 0.12, Why.MOST),
        (None, 0.02, Why.UNKNOWN),
    ],
)
def test_small_tasks_are_audited_more(requests_a_day, rate, why):
    found = planned_rate(requests_a_day, 0.03, ASKED)
    assert (found.rate, found.why) == (pytest.approx(rate), why)


def test_audits_that_are_off_stay_off():
    assert planned_rate(200.0, 0.03, Asked(0.0, 0.12, 3.0)).rate == 0.0


def test_the_least_is_kept_where_it_is_over_the_most():
    assert planned_rate(200.0, 0.03, Asked(0.5, 0.12, 3.0)).rate == 0.5


def test_it_is_told_how_late_the_alarm_will_be():
    assert planned_rate(3_500.0, 0.03, ASKED).alarm_days == pytest.approx(3.0)
    assert planned_rate(200.0, 0.03, ASKED).alarm_days > 20.0
    assert planned_rate(None, 0.03, ASKED).alarm_days is None


@pytest.mark.parametrize(("since", "rate", "why"), [(None, 0.12, Why.MOST), (0, 0.2, Why.ANEW), (SEEN, 0.12, Why.MOST)])
def test_after_an_alarm_more_is_audited_until_a_proof_has_enough(since, rate, why):
    asked = Asked(rate=0.02, most_rate=0.12, alarm_days=3.0, bootstrap_rate=0.2)
    found = planned_rate(200.0, 0.03, asked, since_alarm=since)
    assert (found.rate, found.why) == (rate, why)
    assert planned_rate(None, 0.03, asked, since_alarm=since).rate == (0.2 if why is Why.ANEW else 0.02)


def test_where_no_risk_is_allowed_the_least_is_enough():
    assert planned_rate(200.0, 0.0, ASKED).why is Why.ENOUGH


@pytest.mark.parametrize("guarantee", ["joint", "quality_ratio"])
@pytest.mark.parametrize("target", [0.03, 0.05, 0.1])
def test_so_many_audits_bring_the_alarm_about_when_it_is_wanted(guarantee, target):
    """The constant, against the detector itself, for a risk that has doubled."""
    a_day = audits_wanted(target, 3.0)
    after = Samples(np.array([1.0 - target, -target]), np.array([2.0 * target, 1.0 - 2.0 * target]))
    detector = once_a_year(watch(guarantee, target), a_day)
    found = expected_delay(detector, after, a_day, np.random.default_rng(0), runs=400)
    assert 2.3 <= found.median_days <= 3.4
