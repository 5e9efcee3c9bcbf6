"""Notes and JSON of a finished pilot."""

from __future__ import annotations

import resource
from dataclasses import asdict

from routenlp.bench.datasets.recordings import ENDPOINT
from routenlp.bench.frame import frame
from routenlp.bench.pilot import figures
from routenlp.bench.pilot.figures import bill
from routenlp.bench.pilot.models import recorded_tasks
from routenlp.bench.pilot.promises import SLA, checks, price_changes
from routenlp.bench.pilot.sla_table import least_missed
from routenlp.bench.pilot.system import JUDGED_TASKS
from routenlp.bench.pilot.tables import tables, without_responses
from routenlp.bench.pilot.world import World

__all__ = ["as_json", "checks", "notes", "tables"]


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
        f"{price_changes(world)} are the new prices of an episode.",
        "A quality under 0.97 before an alarm is what the detector's delay costs; a policy proved at delta 0.1 may be "
        "under its target once in ten. Checks of a week after an episode are of the policies in force, over every "
        "counted row of the task once, as it stands on a day in good health: a week is a draw of these rows with "
        "replacement, and the table has that too.",
    ]
    return [*out, *_of_tasks(world), *_of_the_run(world)]


def _of_tasks(world: World) -> list[str]:
    out = [
        f"{task} is answered by language models of docs/record.md, recorded with their probabilities and priced by the "
        "tokens that they read and wrote. On top is the tuned SmolLM2: what is served is compared with its answers, "
        "and people's references are the yardstick of both. Among the cheap tiers is SmolLM2 as a turn of the loop "
        f"taught it, at an endpoint's assumed speed ({ENDPOINT.fixed_s:g} s, {1.0 / ENDPOINT.read_s:,.0f} tokens a "
        f"second read and {1.0 / ENDPOINT.written_s:g} written). Other tasks are walled off from it, and on top of "
        "them are people's labels."
        for task in recorded_tasks(world.models)
    ]
    return out + [
        f"{task} has {found.groups:,} calibration groups, and with under {found.least:,} nothing can be proved: it is "
        "served by what was seen, with a standard error to spare (EMPIRICAL), and no table claims a certificate of it."
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
