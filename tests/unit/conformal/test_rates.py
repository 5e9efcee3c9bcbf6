"""Named rates with exact intervals, and the report of the paper's rule."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from routenlp.conformal.paper import PaperThreshold
from routenlp.conformal.paper_report import paper_report
from routenlp.conformal.rates import rate, rates
from routenlp.conformal.verdict import Status


def bools(text):
    return np.array([c == "1" for c in text])


def test_each_rate_has_its_own_rows():
    seen = rates(bools("1110"), bools("1001"), bools("110110"), bools("011010"))
    assert (seen.escalated_given_correct.count, seen.escalated_given_correct.of) == (1, 3)
    assert (seen.accepted_and_failed.count, seen.accepted_and_failed.of) == (2, 6)
    assert (seen.failed_given_accepted.count, seen.failed_given_accepted.of) == (2, 4)


def test_intervals_are_clopper_pearson():
    found = rate(3, 40)
    expected = stats.binomtest(3, 40).proportion_ci(0.95, method="exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-10)


def test_no_row_is_no_rate():
    assert (rate(0, 0).estimate, rate(0, 0).low, rate(0, 0).high) == (None, 0.0, 1.0)


SEEN = rates(bools("11"), bools("10"), bools("11"), bools("01"))


def threshold(given):
    return PaperThreshold(0.4 if given else None, 0.05, 60, 50 if given else 10, promise_given=given)


@pytest.mark.parametrize(
    ("given", "grouped", "status"),
    [
        ([True, True], False, Status.CERTIFIED),
        ([True, True], True, Status.EMPIRICAL),
        ([True, False], False, Status.UNCERTIFIED),
        ([], False, Status.UNCERTIFIED),
    ],
)
def test_the_papers_rule_is_given_only_with_enough_correct_answers(given, grouped, status):
    report = paper_report([threshold(one) for one in given], SEEN, grouped=grouped)
    assert report.status is status


def test_the_report_names_the_tier_that_has_too_few():
    report = paper_report([threshold(True), threshold(False)], SEEN, grouped=False)
    assert "cheap tier 2" in report.reason
    assert report.thresholds == (0.4, None)
