"""Since when a task's tiers answer as they do now: changes of other tasks, and recalibrations, leave that as it was."""

from __future__ import annotations

import pytest
from tests.unit.worker.versions import Versions


@pytest.fixture
def world(tmp_path):
    return Versions(tmp_path)


def taught(world, task):
    """A version with another student of this task; when it became active."""
    world.now_s += 3_600.0
    world.promote(world.change(task, 0.1, models={"small": {task: f"student of {world.now_s}"}}))
    return world.now_s


def test_of_the_first_version_every_audit_counts(world):
    assert set(world.in_force().since_s.values()) == {0.0}


def test_a_turn_begins_anew_what_it_taught_and_nothing_else(world):
    at_s = taught(world, "quick")
    assert world.in_force().since_s == {"intent": 0.0, "private": 0.0, "quick": at_s}


def test_another_threshold_leaves_the_answers_as_they_were(world):
    at_s = taught(world, "quick")
    world.now_s += 3_600.0
    world.promote(world.change("quick", 0.2))
    assert world.in_force().since_s["quick"] == at_s


def test_after_the_way_back_answers_of_the_students_in_between_do_not_count(world):
    taught(world, "quick")
    world.now_s += 3_600.0
    with world.held() as held:
        world.versions.roll_back(held, {}, now_s=world.now_s)
    assert world.in_force().since_s == {"intent": 0.0, "private": 0.0, "quick": world.now_s}


def test_audits_from_before_a_turn_of_another_task_calibrate(world):
    """They are old by the turn, and their answers are those that its tiers give still."""
    taught(world, "quick")
    again = world.recalibrator()
    assert again.pool_s(again.in_force(), "intent") == 0.0
    assert again.pool_s(again.in_force(), "quick") == world.now_s
