"""The bill by parts, what no alarm could see yet, and how an episode went; and who touched anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_setting
from tests.unit.bench.pilot.made import DAYS, TASK, alarm, calibrated, evidence, in_fallback, world

from routenlp.bench.pilot import report
from routenlp.bench.pilot.episodes import Episode, Kind
from routenlp.bench.pilot.figures import bill, bill_at_top, blind_stretch, called, courses, weeks
from routenlp.store.sql.reported import ServedPolicy

TOP = DAYS * 24 * 10.0


def test_the_bill_is_the_sum_of_its_parts():
    found = bill(world(), [TASK])
    assert found.top == TOP
    assert (found.cheap, found.chosen, found.fallback, found.audits, found.judge) == (DAYS * 24, 0.0, 0.0, 7.0, 3.0)
    assert found.total == pytest.approx(DAYS * 24 + 10.0)
    assert found.without("judge") == pytest.approx((found.total - 3.0) / TOP)


def test_what_the_top_tier_answers_by_rule_is_a_part_of_its_own():
    found = bill(in_fallback(world()), [TASK])
    assert (found.cheap, found.chosen, found.fallback) == (0.0, 0.0, TOP)


def test_until_the_alarm_nobody_could_see_an_episode():
    made = world(found=evidence(alarm(9.5)))
    days = made.day[blind_stretch(made, TASK)]
    assert days.min() == 7
    assert days.max() == 9


def test_without_an_alarm_the_whole_episode_is_out_of_sight():
    made = world()
    assert set(made.day[blind_stretch(made, TASK)].tolist()) == set(range(7, 14))


def test_a_weeks_quality_is_taken_outside_of_it():
    made = world(dict.fromkeys(range(7, 10), 0.5), evidence(alarm(10.0)))
    second = next(week for week in weeks(made) if week.week == 2)
    assert second.outside.estimate == 1.0
    assert second.whole == pytest.approx(1.0 - 0.5 * 3 / 7)


def test_the_course_of_an_episode():
    made = world(dict.fromkeys(range(7, 9), 0.9), evidence(alarm(9.0), calibrated(10.0)))
    [course] = courses(made)
    assert course.before == pytest.approx(0.9)
    assert (course.alarm_days, course.back_days) == (pytest.approx(2.0), pytest.approx(1.0))
    assert course.during == 1.0
    assert course.after.estimate == 1.0


def test_an_alarm_belongs_to_the_episode_that_began_last():
    stays = Episode(Kind.PRICE, 3, None, 0.625)
    made = world(found=evidence(alarm(9.0)))
    both = replace(made, plan=replace(made.plan, episodes=(stays, *made.plan.episodes)))
    assert [course.alarm_days for course in courses(both)] == [None, pytest.approx(2.0)]


def test_an_attempt_that_proved_nothing_brings_nobody_back():
    [course] = courses(world(found=evidence(alarm(9.0), calibrated(10.0, result="not proved"))))
    assert course.back_days is None


def test_a_calibration_by_hand_and_an_alarm_that_a_person_cleared_are_told():
    found = evidence(alarm(9.0, cleared_by="by hand: a false alarm"), calibrated(10.0, trigger="by hand"))
    assert len(found.by_hand) == 2
    assert not evidence(alarm(9.0, cleared_by="calibrated again as policy x"), calibrated(10.0)).by_hand


def test_new_prices_in_the_settings_are_told_apart_from_what_hands_did():
    served = (ServedPolicy("before", 0.0, 10.0, 5), ServedPolicy("at new prices", 11.0, 20.0, 5))
    found = replace(evidence(), served=served)
    assert (found.by_hand, found.by_settings) == ([], 1)


def test_the_bill_with_a_task_at_the_top_tier_is_without_its_audits():
    assert bill_at_top(world(), [TASK], [TASK]) == pytest.approx(1.0)
    assert bill_at_top(world(), []) == pytest.approx(bill(world()).ratio)


def test_tables_mark_a_task_of_which_nothing_is_proved():
    made = world()
    tasks = {TASK: replace_setting(made.settings.tasks[TASK], serve_when="empirical")}
    seen = replace(made, settings=replace_setting(made.settings, tasks=tasks))
    assert (called(made, TASK), called(seen, TASK)) == (TASK, f"{TASK} (EMPIRICAL)")
    of_tasks = next(table for table in report.tables(seen) if table.title == "Task by task")
    assert of_tasks.rows[0][0] == f"{TASK} (EMPIRICAL)"


def test_tables_checks_and_json_come_of_it():
    made = world({8: 0.5}, evidence(alarm(9.0), calibrated(10.0)))
    assert all(table.rows for table in report.tables(made))
    names = [str(check["name"]) for check in report.checks(made)]
    assert any(name.startswith("total bill over always-top, all tasks") for name in names)
    assert report.as_json(replace(made, quick=True))["bench"] == "pilot"
