"""A certificate without graded audits, or with too many missing, runs out and says why; clocks and silence end none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.conformal.test_certificate import CERTIFICATE
from tests.unit.worker import made

from routenlp.settings import load
from routenlp.store.sql import monitoring
from routenlp.store.sql.database import open_store
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


def missing(folder, broken, *, of=200, reason="judge_failed: unreadable", more="", days=1.0):
    """The alarm where `broken` of so many settled audits of a day are missing."""
    connection = made.opened(folder, *[made.audited(i) for i in range(of)])
    connection.execute("UPDATE audits SET state = 'graded'")
    change = "UPDATE audits SET state = 'missing', reason = ? WHERE rowid <= ?"
    connection.execute(change, (reason, broken))
    blind = Blindness(connection, load(None, {}, default=TIER + more))
    return blind.alarm("intent", replace(CERTIFICATE, issued_at=ISSUED), "p", made.NOW_S + days * DAY_S)


def test_more_than_a_twentieth_of_the_audits_missing_ends_the_certificate_and_says_why(tmp_path):
    found = missing(tmp_path, 11)
    assert found.evidence["kind"] == "missing"
    assert found.evidence["why"] == (
        "11 of 200 audits are missing (5.5%, and audit.most_missing is 5.0%), 11 of them by judge_failed: unreadable."
    )


def test_so_many_may_be_missing(tmp_path):
    assert missing(tmp_path, 10) is None


@pytest.mark.parametrize(("most", "ends"), [(0.0, True), (0.2, False)])
def test_a_setting_says_how_many(tmp_path, most, ends):
    assert (missing(tmp_path, 11, more=f"audit: {{most_missing: {most}}}") is not None) is ends


@pytest.mark.parametrize(("broken", "ends"), [(5, False), (6, True)])
def test_of_few_audits_some_may_break(tmp_path, broken, ends):
    assert (missing(tmp_path, broken, of=20) is not None) is ends


def test_audits_that_were_not_reached_are_a_random_part_and_no_gap(tmp_path):
    assert missing(tmp_path, 150, reason="not_run_in_time") is None


def test_what_was_missing_over_a_month_ago_is_forgotten(tmp_path):
    assert missing(tmp_path, 50, days=31) is None


def test_audits_whose_record_was_dropped_count_for_every_task(tmp_path):
    connection = made.opened(tmp_path, made.audited())
    connection.execute("INSERT INTO dropped VALUES (?, 9, 7)", (made.NOW_S,))
    blind = Blindness(connection, load(None, {}, default=TIER))
    found = blind.alarm("intent", replace(CERTIFICATE, issued_at=ISSUED), "p", made.NOW_S + 60.0)
    assert "7 of 7 audits are missing" in found.evidence["why"]


def test_an_alarm_that_a_person_cleared_is_not_raised_again_on_the_same_audits(tmp_path):
    found = missing(tmp_path, 50)
    connection = open_store(tmp_path / "s.db")
    monitoring.raise_alarm(connection, found)
    monitoring.clear_alarm(connection, "intent", "by hand", now_s=made.NOW_S + DAY_S)
    blind = Blindness(connection, load(None, {}, default=TIER))
    later_s = made.NOW_S + 2.0 * DAY_S
    assert blind.alarm("intent", replace(CERTIFICATE, issued_at=ISSUED), "p", later_s) is None
