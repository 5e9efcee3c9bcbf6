"""The promises that the pilot measures, and why one is missed: by the detector's delay, by delta, or by neither.

A miss stays a miss. It is by the detector's delay where the same figure holds without the stretches in which no alarm
could be there yet; by delta where all of it was served under a certificate, which may be wrong once in 1 / delta, and
the interval holds the target. Nothing served by what was seen (EMPIRICAL) is missed by delta: nothing was proved of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor

from routenlp.bench.frame import at_least, at_most
from routenlp.bench.pilot import figures
from routenlp.bench.pilot.episodes import Kind
from routenlp.bench.pilot.figures import Bill, Course, TaskQuality, bill
from routenlp.bench.pilot.sla_table import missed
from routenlp.bench.pilot.tables import QUALITY_OF_WEEKS, without_responses
from routenlp.bench.pilot.world import World
from routenlp.replay.intervals import Interval

COST_ALL, COST_WITHOUT_RESPONSES = 0.60, 0.42
QUALITY = 0.97
SLA = 0.023
LIMITS: Mapping[bool, float] = {False: 1_200.0, True: 120.0}
"""Processor seconds of all threads: no more than these pass on two idle cores. True: `--quick`."""

Check = dict[str, object]


def checks(world: World) -> list[Check]:
    """All of them."""
    return [*_of_bills(world), *_of_tasks(world), *_of_weeks(world), *_of_courses(world), *_of_the_run(world)]


def price_changes(world: World) -> int:
    """That an operator wrote into the settings."""
    return sum(e.kind is Kind.PRICE and e.first_day < world.plan.days for e in world.plan.episodes)


def _of_bills(world: World) -> list[Check]:
    few: Bill = bill(world, without_responses(world))
    return [
        at_most("total bill over always-top, all tasks", _up(bill(world).ratio), COST_ALL),
        at_most("total bill over always-top, without cs_response", _up(few.ratio), COST_WITHOUT_RESPONSES),
    ]


def _of_tasks(world: World) -> list[Check]:
    found = [figures.task_quality(world, task) for task in world.tasks]
    return [
        _quality(f"quality ratio of {q.task}, all weeks", q.whole, why_missed(q, _delta(world, q.task))) for q in found
    ]


def _of_weeks(world: World) -> list[Check]:
    measured = [(w, w.outside.estimate) for w in figures.weeks(world) if w.outside.estimate is not None]
    low = [
        at_least(f"quality ratio of {week.task} in week {week.week}", _down(found), QUALITY_OF_WEEKS)
        for week, found in measured
        if found < QUALITY_OF_WEEKS
    ]
    lowest = min((found for _, found in measured), default=0.0)
    return [*low, at_least("lowest weekly quality ratio of a task", _down(lowest), QUALITY_OF_WEEKS)]


def _of_courses(world: World) -> list[Check]:
    out = []
    for course in figures.courses(world):
        served = course.after_every_row if course.after_every_row.estimate is not None else course.after
        if served.estimate is not None:
            name = f"quality ratio of {course.task} after: {course.episode.name}"
            out.append(_quality(name, served, _by_delta(course, served, _delta(world, course.task))))
    return out


def _of_the_run(world: World) -> list[Check]:
    others = float(max(world.evidence.by_settings - price_changes(world), 0))
    out = [
        at_most("share of counted queries over their SLA", _up(float(missed(world).mean())), SLA),
        at_most("changes by hand, by the store", float(len(world.evidence.by_hand)), 0.0),
        at_most("changes of settings that are no new price, by the store", others, 0.0),
    ]
    if world.http is not None:
        out.append(at_most("over HTTP: answers that differ from the simulation's", float(world.http.differing), 0.0))
    return [*out, at_most("processor seconds of all threads", round(world.took.processor, 1), LIMITS[world.quick])]


def _down(value: float) -> float:
    """To four digits, against us like the next: nothing holds by rounding."""
    return floor(value * 1e4) / 1e4


def _up(value: float) -> float:
    return ceil(value * 1e4) / 1e4


def _quality(name: str, found: Interval, why: str) -> Check:
    check = at_least(name, _down(found.estimate or 0.0), QUALITY)
    return check if check["holds"] or not why else {**check, "why": why}


def _delta(world: World, task: str) -> float:
    return world.settings.tasks[task].delta


def why_missed(quality: TaskQuality, delta: float) -> str:
    """In words, where the whole is under the target; empty where neither accounts for it."""
    outside = quality.outside
    if outside.estimate is not None and outside.estimate >= QUALITY:
        return f"by the detector's delay: outside of it {outside.estimate:.3f}"
    return _delta_words(outside, delta) if quality.proved else ""


def _by_delta(course: Course, served: Interval, delta: float) -> str:
    return _delta_words(served, delta) if course.proved_after else ""


def _delta_words(found: Interval, delta: float) -> str:
    if found.low is None or found.high is None or not found.low <= QUALITY <= found.high:
        return ""
    return f"by delta: under a certificate at {delta:g}, with {QUALITY} in [{found.low:.3f}, {found.high:.3f}]"
