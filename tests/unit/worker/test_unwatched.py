"""A certificate without a graded audit for long runs out, and says why; clocks and silence end none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.conformal.test_certificate import CERTIFICATE
from tests.unit.worker import made

from routenlp.settings import load
from routenlp.worker.unwatched import DAY_S, FEWEST_REQUESTS, Blindness

TIER = "portfolio: [{name: a, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]\n"
ISSUED = datetime.fromtimestamp(made.NOW_S - 1e6, UTC)


def alarm(folder, more, *, days, requests=FEWEST_REQUESTS, graded=False):
    connection = made.opened(folder, *[made.audited(i) for i in range(requests)])
    if graded:
        connection.execute("UPDATE audits SET state = 'graded', at_s = at_s + 1.0 WHERE rowid = 1")
    blind = Blindness(connection, load(None, {}, default=TIER + more))
    return blind.alarm("intent", replace(CERTIFICATE, issued_at=ISSUED), "p", made.NOW_S + days * DAY_S)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("audit: {max_usd_per_day: 0}", "audit.max_usd_per_day is 0."),
        ("audit: {rate: 0}", "audit.rate is 0."),
        ("content: {store: none}", "content.store is none"),
    ],
)
def test_an_audit_budget_of_zero_ends_the_certificate_in_time_and_says_why(tmp_path, more, why):
    found = alarm(tmp_path, more, days=31)
    assert found is not None
    assert why in found.evidence["why"]


def test_not_before_its_time(tmp_path):
    assert alarm(tmp_path, "audit: {max_usd_per_day: 0}", days=29) is None
    (tmp_path / "b").mkdir()
    assert alarm(tmp_path / "b", "audit: {max_usd_per_day: 0}\nrecalibration: {unwatched_days: 7}", days=8) is not None


def test_a_clock_that_jumps_forward_ends_nothing_without_traffic(tmp_path):
    assert alarm(tmp_path, "", days=4_000, requests=FEWEST_REQUESTS - 1) is None


def test_a_graded_audit_is_a_watch(tmp_path):
    assert alarm(tmp_path, "", days=31, graded=True) is None
