"""Notes, checks and JSON of a finished pilot."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import asdict

from routenlp.bench.frame import at_least, at_most, frame
from routenlp.bench.pilot import figures
from routenlp.bench.pilot.episodes import Kind
from routenlp.bench.pilot.figures import Bill, bill
from routenlp.bench.pilot.sla_table import least_missed, missed
from routenlp.bench.pilot.system import JUDGED_TASKS
from routenlp.bench.pilot.tables import QUALITY_OF_WEEKS, tables, without_responses
from routenlp.bench.pilot.world import World

__all__ = ["as_json", "checks", "notes", "tables"]

COST_ALL, COST_WITHOUT_RESPONSES = 0.60, 0.42
QUALITY = 0.97
SLA = 0.023
LIMITS: Mapping[bool, float] = {False: 1_200.0, True: 120.0}
"""Processor seconds of all threads: no more than these pass on two idle cores. True: `--quick`."""


def checks(world: World) -> list[dict[str, object]]:
    """The promises that the pilot measures."""
    out = [at_most("total bill over always-top, all tasks", round(bill(world).ratio, 4), COST_ALL)]
    few: Bill = bill(world, without_responses(world))
    out.append(at_most("total bill over always-top, without cs_response", round(few.ratio, 4), COST_WITHOUT_RESPONSES))
    for task in world.tasks:
        found = figures.quality_ratio(world, world.of_task(task)).estimate
        out.append(at_least(f"quality ratio of {task}, all weeks", round(found or 0.0, 4), QUALITY))
    for week in figures.weeks(world):
        if week.n and week.outside.estimate is not None and week.outside.estimate < QUALITY_OF_WEEKS:
            name = f"quality ratio of {week.task} in week {week.week}"
            out.append(at_least(name, round(week.outside.estimate, 4), QUALITY_OF_WEEKS))
    lowest = min((w.outside.estimate for w in figures.weeks(world) if w.outside.estimate is not None), default=0.0)
    out.append(at_least("lowest weekly quality ratio of a task", round(lowest, 4), QUALITY_OF_WEEKS))
    for course in figures.courses(world):
        if course.after.estimate is not None:
            name = f"quality ratio of {course.task} after: {course.episode.name}"
            out.append(at_least(name, round(course.after.estimate, 4), QUALITY))
    out.append(at_most("share of counted queries over their SLA", round(float(missed(world).mean()), 4), SLA))
    out.append(at_most("changes by hand, by the store", float(len(world.evidence.by_hand)), 0.0))
    others = float(max(world.evidence.by_settings - _price_changes(world), 0))
    out.append(at_most("changes of settings that are no new price, by the store", others, 0.0))
    if world.http is not None:
        out.append(at_most("over HTTP: answers that differ from the simulation's", float(world.http.differing), 0.0))
    out.append(at_most("processor seconds of all threads", round(world.took.processor, 1), LIMITS[world.quick]))
    return out


def notes(world: World) -> list[str]:
    """What a reader must know to read the tables rightly."""
    evidence, plan = world.evidence, world.plan
    pools = ", ".join(
        f"{t} {len(p.counted):,} counted and {len(p.lessons):,} that may be learned" for t, p in world.pools.items()
    )
    out = [
        f"{plan.days} days of about {plan.a_day:,} queries: {world.served.n:,}, of which {int(world.counted.sum()):,} "
        "are counted. Mix by queries: " + ", ".join(f"{task} {plan.mix[task]:.0%}" for task in world.tasks) + ".",
        f"Rows are drawn with replacement: {pools}. No counted row was in a fit, a calibration or a gate before the "
        "pilot, and none becomes a lesson.",
        "Simulated: the clock, the judge, OCR noise, the worse tier, the top tier's latency, and people who label "
        f"every audit of {', '.join(t for t in world.tasks if t not in JUDGED_TASKS)} at once: they gave "
        f"{world.labels_given:,} labels, which no bill has. Real: rows, students, router, machine, store, audits, "
        "grading, detectors, calibration, versions.",
        "The machine's decision on a query depends on policy, query and answers alone, so that it is looked up when "
        f"the same query comes again: it decided {world.decisions:,} times.",
        f"Audits: {sum(evidence.audits.values()):,}, of which "
        f"{sum(n for (_, state), n in evidence.audits.items() if state == 'graded'):,} are graded. "
        f"Missing: {sum(n for (_, state), n in evidence.audits.items() if state == 'missing'):,}.",
        f"Whether a hand touched anything is read from the store alone: {len(evidence.attempts)} attempts at "
        f"calibration by trigger, {len(evidence.versions)} versions by origin, {len(evidence.moves)} moves by who made "
        f"them, {len(evidence.alarms)} alarms by what cleared them, as `routenlp report` does. By hand: "
        f"{'; '.join(evidence.by_hand) or 'none'}. Changes that came with settings: {evidence.by_settings}, of which "
        f"{_price_changes(world)} are the new prices of an episode.",
        "A quality under 0.97 before an alarm is what the detector's delay costs; a policy proved at delta 0.1 may be "
        "under its target once in ten.",
    ]
    return [*out, *_of_tasks(world), *_of_the_run(world)]


def _of_tasks(world: World) -> list[str]:
    out = [
        f"On top of {task} is the tuned SmolLM2 of docs/record.md, recorded: what is served is compared with its "
        "answers, and people's references are the yardstick of both. On top of the others are people's labels."
        for task in sorted(world.model_on_top)
    ]
    return out + [
        f"{task} has {found.groups:,} calibration groups, and with under {found.least:,} nothing can be proved: it is "
        "served by what was seen (EMPIRICAL), and no table claims a certificate of it."
        for task, found in world.provable.items()
        if task in world.tasks and found.serve_when == "empirical"
    ]


def _of_the_run(world: World) -> list[str]:
    out = []
    if world.turns:
        taught = ", ".join(task for task in world.tasks if task not in JUDGED_TASKS)
        out.append(
            f"Turns may teach {taught}: tasks that a judge grades are left out, and those too small for the gate."
        )
    if world.fewest_missed:
        least = least_missed(world)
        out.append(
            f"An oracle that knows every answer, asks one tier a query and loses what each task may lose misses the "
            f"latency objectives of {least:.1%} of the queries: the target of {SLA:.1%} is "
            f"{'out of reach of any policy with these tiers' if least > SLA else 'within its reach'}."
        )
    for seen in world.outages:
        out.append(
            f"Store outage: the worker's round was {'refused' if seen.refused else 'not refused'}, requests went on; "
            f"{seen.waited:,} records waited in memory and were stored after it, {seen.dropped} were dropped."
        )
    took = world.took
    out.append(
        f"Seconds on this machine, which did other work beside it: training {took.training:.0f}, the days "
        f"{took.pilot:.0f} (serving {took.serving:.0f}, worker {took.worker:.0f}, turns {took.turns:.0f}), other rules "
        f"{took.arms:.0f}; of a processor, all threads together: {took.processor:.0f}."
    )
    return out


def _price_changes(world: World) -> int:
    """That an operator wrote into the settings."""
    return sum(e.kind is Kind.PRICE and e.first_day < world.plan.days for e in world.plan.episodes)


def as_json(world: World) -> dict[str, object]:
    """Ready for `json.dumps`."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return frame(
        "pilot",
        seed=world.plan.seed,
        seconds=world.took.all,
        peak_rss_mb=round(peak),
        rows=[{"task": task, **asdict(bill(world, [task]))} for task in world.tasks],
        checks=checks(world),
        quick=world.quick,
        generated=world.generated,
        days=world.plan.days,
        mix=dict(world.plan.mix),
        episodes=[{**asdict(e), "kind": str(e.kind)} for e in world.plan.episodes],
        courses=[{**asdict(c), "episode": c.episode.name} for c in figures.courses(world)],
        bill=asdict(bill(world)),
        bill_without_responses=asdict(bill(world, without_responses(world))),
        by_hand=world.evidence.by_hand,
        outages=[asdict(seen) for seen in world.outages],
        turns=[asdict(turn) for turn in world.turns],
        http=None if world.http is None else asdict(world.http),
        tables=[asdict(table) for table in tables(world)],
        notes=notes(world),
    )
