"""What is planned to be audited: once a day, by the requests that audits stand for, where the gateway reads it."""

from __future__ import annotations

import pytest
from tests.unit.worker import made

from routenlp.conformal.verdict import Status
from routenlp.drift.audit_rate import SEEN, AuditRate, Why
from routenlp.gateway.live import served_tasks
from routenlp.settings import Settings, load
from routenlp.store.in_force import in_force
from routenlp.store.sql.audit_rates import PlannedRate, planned_rates, put_planned_rate, requests_a_day
from routenlp.store.sql.monitoring import Alarm, raise_alarm
from routenlp.worker.audit_rates import AuditRates

TEXT = """
portfolio:
  - {name: small, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}
  - {name: top, backend: recorded, price: {input_usd_per_mtok: 9, output_usd_per_mtok: 9}}
tasks: {intent: {}}
store: {url: 'sqlite:///s.db'}
content: {store: audits}
"""
DAY_S = 86_400.0


def settings(more: str = "") -> Settings:
    return load(None, {}, default=TEXT + more)


def rates(connection, *, days=0.0, more=""):
    return AuditRates(connection, settings(more), lambda: made.NOW_S + days * DAY_S)


def drawn(folder, days, a_day=4):
    """So many audits a day, each with a chance of 0.02."""
    every = [(day, i) for day in range(days) for i in range(a_day)]
    records = [made.audited(n, at_s=made.NOW_S + (d + i / a_day) * DAY_S) for n, (d, i) in enumerate(every)]
    return made.opened(folder, *records)


def test_an_audit_stands_for_the_requests_that_were_not_drawn(tmp_path):
    connection = drawn(tmp_path, 10)
    assert requests_a_day(connection, "intent", made.NOW_S + 10 * DAY_S) == pytest.approx(4 / 0.02, rel=0.05)


def test_before_the_record_is_a_day_long_nothing_is_known_and_nothing_planned(tmp_path):
    connection = drawn(tmp_path, 1)
    assert requests_a_day(connection, "intent", made.NOW_S + 0.9 * DAY_S) is None
    assert rates(connection, days=0.9).look() == []


def test_a_task_with_few_requests_is_audited_more_and_the_gateway_reads_it(tmp_path):
    connection = drawn(tmp_path, 8)
    (new,) = rates(connection, days=8).look()
    assert (new.planned.rate, new.planned.why) == (0.12, Why.MOST)
    planned = in_force(tmp_path / "s.db").audit_rates
    served = served_tasks(settings(), {"intent": Status.CERTIFIED}, planned=planned)["intent"]
    assert (served.audit_rate, served.audit_why) == (0.12, str(Why.MOST))


def test_running_gateways_notice_it(tmp_path):
    connection = drawn(tmp_path, 8)
    before = in_force(tmp_path / "s.db").revision
    rates(connection, days=8).look()
    assert in_force(tmp_path / "s.db").revision > before


def test_a_worker_that_starts_again_finds_its_plan_there(tmp_path):
    connection = drawn(tmp_path, 8)
    assert rates(connection, days=8).look()
    assert rates(connection, days=8).look() == []


def test_it_is_looked_at_once_a_day(tmp_path):
    connection = drawn(tmp_path, 8)
    one = rates(connection, days=8)
    one.look()
    connection.execute("DELETE FROM audit_rates")
    assert one.look() == []


def test_after_an_alarm_the_plan_follows_in_the_next_round_and_the_gateway_reads_it(tmp_path):
    connection = drawn(tmp_path, 8)
    clock = iter([8.0, 8.1, 8.2])
    one = AuditRates(connection, settings(), lambda: made.NOW_S + next(clock) * DAY_S)
    one.look()
    raise_alarm(connection, Alarm("intent", made.NOW_S + 8.05 * DAY_S, "p", {}))
    (new,) = one.look()
    assert new.planned.why is Why.ANEW
    planned = planned_rates(connection)
    for more, rate in (("", 0.2), ("audit: {bootstrap_rate: 0.5}", 0.5), ("audit: {rate: 0}", 0.0)):
        served = served_tasks(settings(more), {"intent": Status.CERTIFIED}, planned=planned)["intent"]
        assert served.audit_rate == rate
    assert one.look() == []


def test_audits_that_are_off_are_planned_off(tmp_path):
    (new,) = rates(drawn(tmp_path, 8), days=8, more="audit: {rate: 0}").look()
    assert (new.planned.rate, new.planned.why) == (0.0, Why.OFF)


@pytest.mark.parametrize(("graded", "rate"), [(SEEN - 1, 0.2), (SEEN, 0.1)])
def test_what_is_served_by_what_was_seen_is_audited_more_until_enough_is_graded(tmp_path, graded, rate):
    connection = made.opened(tmp_path)
    put_planned_rate(connection, PlannedRate("intent", 1.0, AuditRate(0.1, Why.ALARM, 3.0), 900.0, graded))
    planned = planned_rates(connection)
    assert served_tasks(settings(), {"intent": Status.EMPIRICAL}, planned=planned)["intent"].audit_rate == rate
    assert served_tasks(settings(), {"intent": Status.UNCERTIFIED}, planned=planned)["intent"].audit_rate == 0.2


def test_a_plan_keeps_to_the_settings_of_now(tmp_path):
    connection = made.opened(tmp_path)
    put_planned_rate(connection, PlannedRate("intent", 1.0, AuditRate(0.1, Why.ALARM, 3.0), 900.0, 0))
    planned = planned_rates(connection)
    for more, rate in (("audit: {most_rate: 0.05}", 0.05), ("audit: {rate: 0.3}", 0.3), ("audit: {rate: 0}", 0.0)):
        served = served_tasks(settings(more), {"intent": Status.CERTIFIED}, planned=planned)
        assert served["intent"].audit_rate == rate
