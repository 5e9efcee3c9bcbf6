"""From graded audits to an alarm, once for each audit, whatever dies in between; and what an alarm changes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from msgspec.structs import replace
from tests.unit.worker import made

from routenlp.drift.detector import Detector
from routenlp.drift.watches import watch
from routenlp.store.in_force import in_force
from routenlp.store.sql import audits, monitoring
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.database import open_store
from routenlp.worker.monitor import Monitor
from routenlp.worker.promised import Promised

JOINT = Promised("joint", 0.05, 1.0, "top")
RATIO = Promised("quality_ratio", 0.05, 1.0, "top")


def graded(folder, rights, *, served="small", status="certified", start_s=made.NOW_S, first=0, policy="p" * 64):
    """A store with one audit for each of `rights`: whether the served answer was right. Minutes apart."""
    records = [
        replace(made.audited(first + i, at_s=start_s + 60.0 * i, served=served), status=status, policy_version=policy)
        for i in range(len(rights))
    ]
    connection = made.opened(folder, *records)
    for record, right in zip(records, rights, strict=True):
        audit = audits.read_audit(connection, record.id)
        grades = [Grade(served, "metric", "accuracy", float(right))]
        grades += [Grade("top", "metric", "accuracy", 1.0)] if served != "top" else []
        audits.put_grades(connection, audit, grades, now_s=record.at_s, state="graded")
    return connection


def monitor(connection, promised=JOINT, now_s=made.NOW_S + 1e6):
    return Monitor(connection, lambda task: promised, lambda: now_s)


def test_good_answers_raise_no_alarm(tmp_path):
    connection = graded(tmp_path, [True] * 60)
    looked = monitor(connection).run(100)
    assert (looked.watched, looked.alarms) == (60, ())
    assert monitoring.open_alarms(connection) == {}


def test_wrong_answers_that_were_accepted_take_the_task_to_the_top_tier(tmp_path):
    connection = graded(tmp_path, [True] * 10 + [False] * 20)
    looked = monitor(connection).run(100)
    (alarm,) = looked.alarms
    assert alarm.task == "intent"
    assert alarm.evidence["guarantee"] == "joint"
    assert alarm.evidence["level"] >= 1.0
    assert looked.kept == 30 - looked.watched > 0
    assert in_force(tmp_path / "s.db").alarmed == {"intent"}


def test_the_revision_rises_with_an_alarm_and_with_its_end(tmp_path):
    connection = graded(tmp_path, [False] * 12)
    before = in_force(tmp_path / "s.db").revision
    monitor(connection).run(100)
    raised = in_force(tmp_path / "s.db").revision
    assert monitoring.clear_alarm(connection, "intent", "by hand", now_s=made.NOW_S)
    assert not monitoring.clear_alarm(connection, "intent", "by hand", now_s=made.NOW_S)
    after = in_force(tmp_path / "s.db")
    assert before < raised < after.revision
    assert after.alarmed == frozenset()
    assert monitoring.every_alarm(connection)[0].cleared_by == "by hand"


def test_it_is_the_same_detector_after_a_restart_and_sees_each_audit_once(tmp_path):
    rights = (np.random.default_rng(0).random(40) > 0.1).tolist()
    connection = graded(tmp_path, rights)
    for _ in range(8):
        connection.close()
        connection = open_store(tmp_path / "s.db")
        monitor(connection).run(6)
    assert monitor(connection).run(100).watched == 0
    stored = monitoring.read_detector(connection, "intent")
    assert stored.false_alarm_samples == 365.0 * len(rights)
    detector = Detector(watch("joint", 0.05), stored.false_alarm_samples)
    state = detector.start()
    for right in rights:
        state = detector.see(state, -0.05 if right else 0.95)
    assert stored.state == state


def test_a_worse_top_tier_is_no_alarm_of_the_ratio(tmp_path):
    connection = graded(tmp_path, [True] * 5)
    for (trace,) in connection.execute("SELECT trace_id FROM audits").fetchall():
        audits.put_grades(
            connection,
            audits.read_audit(connection, trace),
            [Grade("top", "gold", "people", 0.0)],
            now_s=made.NOW_S,
        )
    monitor(connection, RATIO).run(10)
    found = [x for (x,) in connection.execute("SELECT x FROM watched").fetchall()]
    assert found == pytest.approx([-1.0] * 5), "gold goes before a metric"


@pytest.mark.parametrize("status", ["uncertified"])
def test_what_the_top_tier_served_by_rule_says_nothing_of_a_policy(tmp_path, status):
    connection = graded(tmp_path, [True] * 5, served="top", status=status)
    assert monitor(connection).run(10).idle == 5
    assert monitoring.read_detector(connection, "intent") is None


def test_an_answer_without_a_grade_is_passed_over_and_not_counted_as_good(tmp_path):
    connection = graded(tmp_path, [True] * 3)
    connection.execute("DELETE FROM grades WHERE tier = 'top'")
    looked = monitor(connection).run(10)
    assert (looked.watched, looked.idle) == (0, 3)


def test_another_policy_begins_anew_and_ends_the_alarm(tmp_path):
    connection = graded(tmp_path, [False] * 12)
    monitor(connection, now_s=made.NOW_S + 1.0).run(100)
    assert monitoring.open_alarms(connection)
    connection.close()
    connection = graded(tmp_path, [True] * 3, first=100, start_s=made.NOW_S + 1e5, policy="q" * 64)
    looked = monitor(connection).run(100)
    assert looked.watched == 3
    assert monitoring.open_alarms(connection) == {}
    assert "serves in place of" in monitoring.every_alarm(connection)[0].cleared_by
    assert monitoring.read_detector(connection, "intent").state.seen == 3


def test_two_workers_look_at_an_audit_once(tmp_path):
    connection = graded(tmp_path, [True] * 4)
    other = open_store(tmp_path / "s.db")
    waiting = monitoring.unwatched(other, 10)
    monitor(connection).run(10)
    seen = monitoring.Watched(waiting[0], -0.05, "detector")
    monitoring.put_watched(other, seen, None, monitoring.Alarm("intent", 0.0, "p", {"kind": "alarm"}))
    assert monitoring.open_alarms(other) == {}


def test_a_task_that_is_gone_is_watched_by_nobody(tmp_path):
    connection = graded(tmp_path, [False] * 12)
    assert Monitor(connection, lambda task: None, lambda: made.NOW_S).run(100).idle == 12


def test_a_clock_that_was_set_back_moves_no_statistic(tmp_path):
    here, there = tmp_path / "a", tmp_path / "b"
    here.mkdir()
    there.mkdir()
    rights = [True] * 5 + [False] * 2
    states = []
    for folder, now_s in ((here, made.NOW_S), (there, -5.0)):
        connection = graded(folder, rights)
        monitor(connection, now_s=now_s).run(10)
        states.append(monitoring.read_detector(connection, "intent").state)
    assert states[0] == states[1]
    assert json.dumps(states[0].statistics)


def test_audits_that_are_graded_after_an_alarm_was_answered_raise_no_second_one(tmp_path):
    connection = graded(tmp_path, [False] * 12)
    clock_s = made.NOW_S + 60.0 * 100
    assert len(monitor(connection, now_s=clock_s).run(100).alarms) == 1
    assert monitoring.clear_alarm(connection, "intent", "calibrated again", now_s=clock_s)
    graded(tmp_path, [False] * 12, first=50)
    looked = monitor(connection, now_s=clock_s).run(100)
    assert (looked.alarms, looked.watched, looked.idle) == ((), 0, 12)


def test_a_persons_grade_of_one_answer_is_not_held_against_a_judges_of_the_other(tmp_path):
    connection = graded(tmp_path, [True])
    connection.execute("UPDATE grades SET source = 'judge', quality = 0.5")
    (trace,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    audit = audits.read_audit(connection, trace)
    audits.put_grades(connection, audit, [Grade("small", "gold", "people", 0.0)], now_s=made.NOW_S)
    monitor(connection, RATIO).run(10)
    assert connection.execute("SELECT x FROM watched").fetchone()[0] == pytest.approx(0.95 * 0.5 - 0.5)
