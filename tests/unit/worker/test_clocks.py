"""Clocks that jump: what a bad clock wrote holds nothing up for longer than the clock was bad."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from msgspec import structs
from tests.unit.conformal.test_certificate import CERTIFICATE
from tests.unit.worker import made

from routenlp.settings import load
from routenlp.store.sql import audits, monitoring, recalibrations
from routenlp.store.sql.audits import MOST_HELD_S, Grade
from routenlp.store.sql.monitoring import Alarm
from routenlp.worker.monitor import Monitor
from routenlp.worker.promised import Promised
from routenlp.worker.unwatched import Blindness

JOINT = Promised("joint", 0.05, 1.0, "top")
EVIDENCE = {"kind": "alarm", "guarantee": "joint", "target": 0.05, "audits_seen": 1}
AHEAD_S = made.NOW_S + 10.0 * 365.0 * 86_400.0


def graded(folder, times, *, policy="p", first=0):
    records = [structs.replace(made.audited(first + i, at_s=t), policy_version=policy) for i, t in enumerate(times)]
    connection = made.opened(folder, *records)
    for record in records:
        grades = [Grade(tier, "metric", "accuracy", 1.0) for tier in ("small", "top")]
        audits.put_grades(connection, audits.read_audit(connection, record.id), grades, now_s=0.0, state="graded")
    return connection


@pytest.mark.parametrize("state", ["pending", "answered"])
def test_an_audit_that_a_clock_ahead_took_is_taken_again(tmp_path, state):
    connection = made.opened(tmp_path, made.audited())
    connection.execute("UPDATE audits SET state = ?", (state,))
    audits.claim(connection, state, "ahead", now_s=AHEAD_S)
    assert len(audits.claim(connection, state, "w", now_s=made.NOW_S)) == 1


def test_one_that_is_held_or_put_off_now_is_not(tmp_path):
    connection = made.opened(tmp_path, made.audited())
    (held,) = audits.claim(connection, "pending", "w", now_s=made.NOW_S)
    assert audits.claim(connection, "pending", "v", now_s=made.NOW_S + 1.0) == []
    audits.free(connection, held, again_s=made.NOW_S + MOST_HELD_S)
    assert audits.claim(connection, "pending", "v", now_s=made.NOW_S + 1.0) == []


def test_a_clock_ahead_leaves_audits_unreached_and_calls_none_of_them_broken(tmp_path):
    connection = made.opened(tmp_path, made.audited())
    asyncio.run(made.runner(connection, made.Says(), clock=lambda: AHEAD_S).run(1))
    assert made.states(connection) == [("missing", "not_run_in_time")]


def test_after_an_alarm_of_a_clock_ahead_audits_of_now_calibrate(tmp_path):
    connection = graded(tmp_path, [made.NOW_S, made.NOW_S + 60.0])
    Monitor(connection, lambda _: JOINT, lambda: made.NOW_S + 100.0).run(10)
    monitoring.raise_alarm(connection, Alarm("intent", AHEAD_S, "p", EVIDENCE))
    assert recalibrations.last_alarm_s(connection, "intent", made.NOW_S + 100.0) == made.NOW_S + 60.0
    assert recalibrations.last_alarm_s(connection, "intent", AHEAD_S + 1.0) == AHEAD_S


def test_after_an_alarm_of_a_clock_ahead_was_cleared_audits_are_watched(tmp_path):
    connection = graded(tmp_path, [made.NOW_S])
    monitoring.raise_alarm(connection, Alarm("intent", AHEAD_S, "p", EVIDENCE))
    monitoring.clear_alarm(connection, "intent", "by hand", now_s=made.NOW_S)
    assert Monitor(connection, lambda _: JOINT, lambda: made.NOW_S + 1.0).run(10).watched == 1


def test_another_policy_ends_an_alarm_of_a_clock_ahead(tmp_path):
    connection = graded(tmp_path, [made.NOW_S + 5.0], policy="q")
    monitoring.raise_alarm(connection, Alarm("intent", AHEAD_S, "p", EVIDENCE))
    assert Monitor(connection, lambda _: JOINT, lambda: made.NOW_S + 1.0).run(10).watched == 1
    assert monitoring.open_alarms(connection) == {}


def test_a_certificate_of_a_clock_ahead_is_watched_like_another(tmp_path):
    connection = made.opened(tmp_path, *[made.audited(i) for i in range(100)])
    tier = "portfolio: [{name: a, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}]\n"
    blind = Blindness(connection, load(None, {}, default=tier))
    ahead = replace(CERTIFICATE, issued_at=datetime.fromtimestamp(AHEAD_S, UTC))
    assert blind.alarm("intent", ahead, "p", made.NOW_S + 31.0 * 86_400.0).evidence["kind"] == "unwatched"
