"""The pilot's tables: what it cost, task by task, episode by episode, beside other rules and beside the paper."""

from __future__ import annotations

import numpy as np

from routenlp.bench.pilot import figures
from routenlp.bench.pilot.audit_table import audit_table
from routenlp.bench.pilot.control import control
from routenlp.bench.pilot.episodes import RESPONSES
from routenlp.bench.pilot.figures import PARTS, Course, bill, bill_at_top, called
from routenlp.bench.pilot.sla_table import sla_table
from routenlp.bench.pilot.system import empirical_tasks
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S
from routenlp.bench.pilot.world import World
from routenlp.bench.six_tasks.table import TIMING, Table, interval, milliseconds
from routenlp.replay.intervals import quantile_interval, wilson
from routenlp.types import FloatArray

QUALITY_OF_WEEKS = 0.95
OURS = "ours"
_WORDS = {
    "cheap": "cheap tiers",
    "chosen": "top tier, called by the policy",
    "fallback": "top tier, serving by rule",
    "audits": "audits",
    "judge": "judge",
    "loop": "loop's lessons",
}


def tables(world: World) -> list[Table]:
    """The whole result."""
    return [
        pilot_table(world),
        bill_table(world),
        task_table(world),
        audit_table(world),
        sla_table(world),
        episode_table(world),
        ablation_table(world),
        control_table(world),
        week_table(world),
        calibration_table(world),
        *turn_tables(world),
        *http_tables(world),
    ]


def pilot_table(world: World) -> Table:
    """The paper's pilot beside ours."""
    rows, top = world.served.rows(world.counted), len(world.settings.portfolio) - 1
    whole = bill(world)
    n = rows.n
    correct = _escalated_of_right(world)
    before, after = (quantile_interval(values, 0.99) for values in (rows.top_latency_s, rows.latency_s))
    handled = 1.0 - float(_failed(world).mean())
    found = (
        ("what it cost less than always-top, all of the bill", "58% (simulated: 62%)", f"{1.0 - whole.ratio:.1%}"),
        ("responses that a user would accept; ours: quality of at least `handled_at`", "91%", f"{handled:.1%}"),
        ("p99 latency, always-top", "1,847 ms (ours is a model of it)", _ms(before.estimate)),
        ("p99 latency, served", "387 ms", _ms(after.estimate)),
        ("violation rate; ours: P(accepted and failed)", "4.8%", _share(int(rows.failed.sum()), n)),
        ("the same; ours: P(failed given accepted)", "", _share(int(rows.failed.sum()), int(rows.accepted.sum()))),
        ("the same; ours: P(escalated given the first cheap answer was right)", "", _share(*correct)),
        ("answered by the top tier", "9.7%", _share(int((rows.final == top).sum()), n)),
        ("of these, by rule: after an alarm, or for want of a proof", "", _share(int(rows.fallback.sum()), n)),
        ("quality over the top tier's", "", interval(figures.quality_ratio(world, world.counted))),
        ("changes of thresholds, policies and alarms by hand", "", f"{len(world.evidence.by_hand)}"),
        ("tasks served by what was seen, with nothing proved (EMPIRICAL)", "", _unproved(world)),
    )
    return Table("The paper's pilot and ours", ("measure", "the paper", "ours"), found)


def _unproved(world: World) -> str:
    return ", ".join(task for task in world.tasks if task in empirical_tasks(world.settings)) or "none"


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e3:,.0f} ms"


def _share(count: int, of: int) -> str:
    return interval(wilson(count, of))


def _escalated_of_right(world: World) -> tuple[int, int]:
    """On audits, where every tier's quality is known: of right first cheap answers, those that were not accepted."""
    rows = world.served.rows(world.counted & ~world.served.fallback)
    first_right = rows.first_right
    return int((first_right & (rows.steps > 1)).sum()), int(first_right.sum())


def _failed(world: World) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    handled = {name: task.handled_at for name, task in world.settings.tasks.items()}
    at = np.array([handled.get(task, 1.0) for task in world.task[world.counted].tolist()])
    return np.asarray(world.served.quality[world.counted] < at)


def bill_table(world: World) -> Table:
    """Every part, and the bill without it."""
    everything, few = bill(world), bill(world, without_responses(world))
    rows = [
        (
            _WORDS[part],
            f"${getattr(everything, part):,.0f}",
            f"{getattr(everything, part) / everything.top:.3f}",
            f"{everything.without(part):.3f}",
            f"{getattr(few, part) / few.top:.3f}",
            f"{few.without(part):.3f}",
        )
        for part in PARTS
    ]
    rows.append(("all of it", f"${everything.total:,.0f}", f"{everything.ratio:.3f}", "–", f"{few.ratio:.3f}", "–"))
    for tasks in _at_top(world):
        usual, fewer = (bill_at_top(world, tasks, which) for which in (None, without_responses(world)))
        who = f"all of it, with {' and '.join(tasks)} at the top tier for want of a proof"
        rows.append((who, f"${usual * everything.top:,.0f}", f"{usual:.3f}", "–", f"{fewer:.3f}", "–"))
    rows.append(("always-top", f"${everything.top:,.0f}", "1.000", "–", "1.000", "–"))
    heads = ("part", "USD", "over always-top", "the bill without it", "over always-top, no cs_response", "without it")
    return Table("The bill of the counted queries, by parts", heads, tuple(rows))


def _at_top(world: World) -> list[list[str]]:
    """Of the tasks that are served by what was seen, each by itself, and all."""
    found = [task for task in world.tasks if task in empirical_tasks(world.settings)]
    return [*([task] for task in found), *([found] if len(found) > 1 else [])]


def without_responses(world: World) -> list[str]:
    return [task for task in sorted(set(world.task[world.counted].tolist())) if task not in RESPONSES]


def task_table(world: World) -> Table:
    """A row a task."""
    rows = []
    for task in [*world.tasks, *_new_tasks(world)]:
        which = world.of_task(task)
        mine, its = world.served.rows(which), bill(world, [task])
        last = next((s for s in reversed(world.standings) if s.task == task), None)
        given = world.settings.tasks.get(task)
        missed = "–" if given is None else _share(int((mine.latency_s > given.sla_s).sum()), mine.n)
        serve_when = "–" if given is None else given.serve_when
        rows.append(
            (
                called(world, task),
                f"{mine.n:,}",
                interval(figures.quality_ratio(world, which)),
                "–" if given is None else interval(figures.task_quality(world, task).outside),
                f"{its.ratio:.3f}",
                f"{mine.cost_usd.sum() / mine.top_cost_usd.sum():.3f}",
                _share(int(mine.fallback.sum()), mine.n),
                missed,
                f"{'none' if last is None else last.status} (serves when {serve_when})",
            )
        )
    heads = ("task", "counted queries", "quality ratio", "outside [episode's start, alarm or end]")
    more = ("bill, audits included", "serving alone", "served by rule", "SLA missed", "status at the end")
    return Table("Task by task", (*heads, *more), tuple(rows))


def _new_tasks(world: World) -> list[str]:
    return [t for t in sorted(set(world.task[world.counted].tolist())) if t not in world.tasks]


def episode_table(world: World) -> Table:
    """A row an episode and task that it can harm."""
    rows = tuple(_episode_row(world, course) for course in figures.courses(world))
    heads = ("episode", "task", "days", "quality until the alarm", "alarm after", "calibrated again after")
    after = ("quality in the week after, as drawn", "of what was in force, over every counted row once")
    more = ("quality from the alarm on", *after, "cost then", "new versions")
    return Table("Episodes, none of which anything that decides was told of", (*heads, *more), rows)


def _episode_row(world: World, course: Course) -> tuple[str, ...]:
    episode = course.episode
    span = f"{episode.first_day}-" + ("" if episode.end_day is None else str(episode.end_day))
    return (
        episode.name,
        called(world, course.task),
        span,
        _number(course.before),
        "no alarm" if course.alarm_days is None else f"{course.alarm_days:.1f} days",
        "–" if course.back_days is None else f"{course.back_days:.1f} days",
        _number(course.during),
        interval(course.after),
        interval(course.after_every_row),
        _number(course.cost_after),
        str(course.calibrated),
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def ablation_table(world: World) -> Table:
    """Ours beside other ways of keeping thresholds up to date, on the same queries."""
    whole, few = bill(world), without_responses(world)
    audits = whole.audits + whole.judge
    fewer = bill(world, few)
    rows = [_arm_row(world, OURS, world.served.cost_usd, world.served.quality, (audits, fewer.audits + fewer.judge))]
    spared = world.counted & np.isin(world.task, few)
    for arm in world.arms:
        paid = float(arm.audit_usd[world.counted].sum()), float(arm.audit_usd[spared].sum())
        rows.append(_arm_row(world, arm.name, arm.cost_usd, arm.quality, paid))
    heads = ("rule", "quality ratio", "lowest task", "weeks of a task under 0.95", "lowest week")
    return Table(
        "How thresholds are kept up to date, on the same queries",
        (*heads, "serving", "with audits and judge", "the same without cs_response"),
        tuple(rows),
    )


def _arm_row(
    world: World, name: str, cost: FloatArray, quality: FloatArray, audits: tuple[float, float]
) -> tuple[str, ...]:
    counted, top, paid = world.counted, world.served.top_quality, world.served.top_cost_usd
    by_task = {t: float(quality[w].sum() / top[w].sum()) for t in world.tasks if (w := world.of_task(t)).any()}
    low = min(by_task, key=lambda task: by_task[task])
    of_weeks = [
        float(quality[w].sum() / top[w].sum())
        for task in world.tasks
        for week in range((world.plan.days + 6) // 7)
        if (w := world.of_task(task) & (world.day // 7 == week)).any()
    ]
    spared = counted & np.isin(world.task, without_responses(world))
    serving, fewer = (float(cost[which].sum() / paid[which].sum()) for which in (counted, spared))
    return (
        name,
        interval(figures.ratio(world, counted, quality, top)),
        f"{called(world, low)} {by_task[low]:.3f}",
        f"{sum(q < QUALITY_OF_WEEKS for q in of_weeks)} of {len(of_weeks)}",
        f"{min(of_weeks):.3f}",
        f"{serving:.3f}",
        f"{serving + audits[0] / paid[counted].sum():.3f}",
        f"{fewer + audits[1] / paid[spared].sum():.3f}",
    )


def control_table(world: World) -> Table:
    """The audit panel, over all tasks and by task."""
    rows = []
    parts = {"all": world.counted, **{called(world, task): world.of_task(task) for task in world.tasks}}
    for name, which in parts.items():
        found = control(world, which)
        if found is None:
            continue
        for one in found.rows:
            rows.append(
                (
                    f"{name} ({found.n:,} audits in {found.groups:,} groups)",
                    one.measure,
                    f"{one.served:.4f}",
                    f"{one.top:.4f}",
                    interval(one.difference, 4),
                    f"{one.p:.4f}",
                    f"{one.truth:.4f}",
                )
            )
        handled = f"{found.handled[0]} only by what was served, {found.handled[1]} only by the top tier"
        rows.append((rows[-1][0], "handled", handled, "", "", f"{found.handled_p:.3g}", ""))
    heads = ("tasks", "measure", "served", "top tier", "difference", "p", "difference over all queries")
    return Table("The concurrent control: audited queries, on which every tier ran", heads, tuple(rows))


def week_table(world: World) -> Table:
    """Quality ratio of each task and week, outside what no alarm could see yet; the whole week's beside it."""
    found = figures.weeks(world)
    numbers = sorted({week.week for week in found})
    rows = []
    for task in world.tasks:
        mine = {week.week: week for week in found if week.task == task}
        rows.append((called(world, task), *(_week_cell(mine.get(n)) for n in numbers)))
    return Table(
        "Quality ratio by week, outside [episode's start, alarm or end]; in brackets over the whole week",
        ("task", *(f"week {n}" for n in numbers)),
        tuple(rows),
    )


def _week_cell(week: figures.WeekQuality | None) -> str:
    if week is None:
        return "–"
    return f"{_number(week.outside.estimate)} ({_number(week.whole)})"


def calibration_table(world: World) -> Table:
    """Every attempt that tested anything, as the store has it."""
    rows = [
        (
            f"{(a.at_s - BEGIN_S) / DAY_S:.2f}",
            called(world, a.task),
            a.trigger,
            a.result,
            f"{a.evidence.get('n', 0):,} in {a.evidence.get('groups', 0):,} groups",
            str(a.evidence.get("status", "–")),
            _number(a.evidence.get("cost_ratio")),
        )
        for a in world.evidence.attempts
        if a.tested
    ]
    heads = ("day", "task", "trigger", "result", "audits tested", "status", "cost ratio on them")
    return Table("Calibrations that tested anything: who asked for them, and what came of it", heads, tuple(rows))


def turn_tables(world: World) -> list[Table]:
    """What the loop did; none where no turn was made."""
    if not world.turns:
        return []
    rows = tuple(
        (str(t.day), t.outcome, f"{t.lessons:,}", f"${t.unpaid_usd:,.0f}", " ".join(t.reasons)) for t in world.turns
    )
    return [Table("Turns of the loop", ("day", "outcome", "lessons", "paid for them", "why"), rows)]


def http_tables(world: World) -> list[Table]:
    """The shorter pilot on the wall clock; none where it was not made."""
    seen = world.http
    if seen is None:
        return []
    rows = (
        ("queries over HTTP, with the official client", f"{seen.queries:,}"),
        ("answered with an error", f"{seen.errors:,}"),
        ("other answers, or by other tiers, than in the simulation", f"{seen.differing:,}"),
        ("cost over always-top", f"{seen.cost_ratio:.3f}"),
        ("quality over the top tier's", f"{seen.quality_ratio:.3f}"),
        (f"p50 ms {TIMING}", milliseconds(seen.p50_s)),
        (f"p99 ms {TIMING}", milliseconds(seen.p99_s)),
        ("audits drawn, graded, watched", f"{seen.audits:,}, {seen.graded:,}, {seen.watched:,}"),
    )
    return [Table("A shorter pilot on the wall clock, through the real gateway and worker", ("measure", "found"), rows)]
