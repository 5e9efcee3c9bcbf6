"""Where the store has versions: whose audits a detector sees, what it keeps through a promotion, what ends an alarm."""

from __future__ import annotations

import pytest
from tests.unit.worker.versions import Versions

from routenlp.loop.lifecycle import State
from routenlp.store.sql import monitoring

INTENT, OTHER = 0.1, 0.2
"""Thresholds of a task that was changed."""


@pytest.fixture
def world(tmp_path):
    return Versions(tmp_path)


def seen(world, task="intent"):
    return monitoring.read_detector(world.connection, task).state.seen


def alarm(world, task="intent"):
    """Raises one on what the active version serves."""
    world.graded(12, False, version=world.versions.pointer().active, task=task)
    assert len(world.monitor.run(100).alarms) == 1
    world.now_s += 3_600.0


def test_what_a_candidate_served_is_nobodys_and_the_detector_goes_on(world):
    world.graded(5, True, version=world.first)
    world.monitor.run(100)
    candidate = world.change("intent", INTENT)
    world.move(candidate, State.SHADOW, State.CANARY)
    world.graded(8, False, version=candidate)
    assert (found := world.monitor.run(100)).idle == 8, found
    world.graded(5, True, version=world.first)
    world.monitor.run(100)
    assert seen(world) == 10


def test_a_candidates_audit_ends_no_alarm(world):
    alarm(world)
    candidate = world.change("intent", INTENT)
    world.move(candidate, State.SHADOW, State.CANARY)
    world.graded(1, True, version=candidate)
    assert world.monitor.run(100).kept == 1
    assert "intent" in monitoring.open_alarms(world.connection)


def test_a_retired_versions_audits_that_are_graded_late_are_nobodys(world):
    late = world.audit(12, False, version=world.first)
    world.promote(after := world.change("intent", INTENT))
    world.graded(5, True, version=after)
    world.monitor.run(100)
    world.grade(late)
    assert (found := world.monitor.run(100)).idle == 12, found
    world.graded(1, True, version=after)
    world.monitor.run(100)
    assert seen(world) == 6


def test_a_promotion_that_left_the_task_as_it_was_keeps_the_detector_and_audits_graded_late(world):
    world.graded(5, True, version=world.first)
    late = world.audit(3, True, version=world.first)
    world.monitor.run(100)
    world.promote(after := world.change("quick", OTHER))
    world.graded(4, True, version=after)
    world.monitor.run(100)
    world.grade(late)
    world.monitor.run(100)
    assert seen(world) == 12


def test_while_a_candidate_serves_everything_tasks_that_it_left_are_watched(world):
    candidate = world.change("quick", OTHER)
    world.move(candidate, State.SHADOW, State.CANARY)
    world.graded(5, True, version=candidate)
    assert world.monitor.run(100).watched == 5


def test_a_version_that_changed_the_task_begins_anew(world):
    world.graded(5, True, version=world.first)
    world.monitor.run(100)
    world.promote(after := world.change("intent", INTENT))
    world.graded(2, True, version=after)
    world.monitor.run(100)
    assert seen(world) == 2


def test_an_alarm_ends_with_a_version_that_was_proved_for_its_task_after_it(world):
    alarm(world)
    world.promote(after := world.change("intent", INTENT))
    world.now_s += 1.0
    world.monitor.run(100)
    assert monitoring.open_alarms(world.connection) == {}
    assert monitoring.every_alarm(world.connection)[0].cleared_by == f"policy {after} was proved after it"


def test_an_alarm_outlives_a_version_that_was_proved_before_it(world):
    candidate = world.change("intent", INTENT)
    world.now_s += 60.0
    alarm(world)
    world.promote(candidate)
    world.graded(3, True, version=candidate)
    assert world.monitor.run(100).kept == 3
    assert "intent" in monitoring.open_alarms(world.connection)


def test_a_certificate_that_a_clock_ahead_dated_ends_no_alarm(world):
    now_s, world.now_s = world.now_s, world.now_s + 1e9
    world.promote(world.change("intent", INTENT))
    world.now_s = now_s
    alarm(world)
    world.monitor.run(100)
    assert "intent" in monitoring.open_alarms(world.connection)


def test_an_alarm_outlives_a_version_that_was_made_for_another_task(world):
    alarm(world)
    world.promote(after := world.change("quick", OTHER))
    world.graded(3, True, version=after)
    world.monitor.run(100)
    assert "intent" in monitoring.open_alarms(world.connection)


def test_the_way_back_to_an_older_version_ends_no_alarm(world):
    world.promote(world.change("intent", INTENT))
    alarm(world)
    with world.held() as held:
        world.versions.roll_back(held, {}, now_s=world.now_s)
    world.graded(3, True, version=world.first)
    assert world.monitor.run(100).kept == 3
    assert "intent" in monitoring.open_alarms(world.connection)


def test_after_the_way_back_a_task_that_both_versions_serve_alike_is_watched_on(world):
    world.promote(after := world.change("quick", OTHER))
    world.graded(5, True, version=after)
    world.monitor.run(100)
    with world.held() as held:
        world.versions.roll_back(held, {}, now_s=world.now_s)
    world.graded(5, True, version=world.first)
    world.monitor.run(100)
    assert seen(world) == 10


def test_audits_from_before_an_alarm_of_a_version_that_served_alike_raise_no_second_one(world):
    late = world.audit(12, False, version=world.first)
    world.monitor.run(1)
    world.promote(world.change("quick", OTHER))
    alarm(world)
    monitoring.clear_alarm(world.connection, "intent", "by hand", now_s=world.now_s)
    world.grade(late)
    found = world.monitor.run(100)
    assert (found.alarms, found.idle) == ((), 12)
