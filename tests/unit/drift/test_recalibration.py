"""When a task is calibrated again."""

from __future__ import annotations

import pytest

from routenlp.drift.recalibration import PaperSchedule, Standing, Trigger, due, level
from routenlp.errors import DataError

DAY = 86_400.0
RECENT = Standing(since_s=60.0, coverage_then=0.95, coverage_now=0.95)


@pytest.mark.parametrize(
    ("standing", "trigger"),
    [
        (Standing(alarmed=True, voided=True, asked=True), Trigger.ALARM),
        (Standing(voided=True, asked=True), Trigger.VOIDED),
        (Standing(labels=300, labels_wanted=250), Trigger.LABELS),
        (Standing(labels=300, labels_wanted=301), None),
        (Standing(labels=300), None),
        (Standing(asked=True), Trigger.HAND),
        (Standing(since_s=100 * DAY), None),
    ],
)
def test_by_itself_evidence_decides_and_not_the_clock(standing, trigger):
    assert due(standing) is trigger


@pytest.mark.parametrize(
    ("since_s", "trigger"), [(2 * DAY - 1, None), (2 * DAY, Trigger.SCHEDULE), (None, Trigger.SCHEDULE)]
)
def test_the_papers_rule_calibrates_every_48_hours(since_s, trigger):
    assert due(Standing(since_s=since_s), PaperSchedule()) is trigger


@pytest.mark.parametrize(("now", "trigger"), [(0.91, None), (0.90, Trigger.COVERAGE_FELL), (None, None)])
def test_the_papers_rule_calibrates_when_coverage_falls_by_five_points(now, trigger):
    assert due(Standing(since_s=60.0, coverage_then=0.95, coverage_now=now), PaperSchedule()) is trigger


def test_a_clock_that_was_set_back_does_not_hold_the_schedule_up():
    assert due(Standing(since_s=-5.0), PaperSchedule()) is Trigger.SCHEDULE
    assert due(RECENT, PaperSchedule()) is None


def test_a_schedule_that_makes_no_sense_is_refused():
    with pytest.raises(DataError, match="schedule"):
        PaperSchedule(every_s=0.0)


def test_attempts_on_the_same_rows_share_one_delta():
    levels = [level(0.1, looks) for looks in range(30)]
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) == pytest.approx(0.1)
    assert levels[0] == pytest.approx(0.075)
