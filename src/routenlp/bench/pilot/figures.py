"""From what was served to figures: the bill by parts, quality by task and week, and how each episode went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.episodes import LOWERS, Episode
from routenlp.bench.pilot.system import empirical_tasks
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S
from routenlp.bench.pilot.world import World
from routenlp.conformal.verdict import Status
from routenlp.replay.intervals import UNKNOWN, Interval, RowRatio, paired_bootstrap
from routenlp.types import FloatArray

WEEK_DAYS = 7
DRAWS = 2_000
PROVED = frozenset({Status.CERTIFIED, Status.ASYMPTOTIC})
AFTER_DAYS = 7
"""How long after an episode it is looked at whether the quality is back."""


@dataclass(frozen=True, slots=True)
class Bill:
    """USD over the counted queries."""

    top: float
    """What the top tier alone costs."""
    cheap: float
    """Cheap tiers, escalations included."""
    chosen: float
    """The top tier, where the policy called it."""
    fallback: float
    """The top tier, where it served by rule."""
    audits: float
    judge: float
    loop: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.cheap + self.chosen + self.fallback + self.audits + self.judge + self.loop

    @property
    def ratio(self) -> float:
        """Over always-top."""
        return self.total / self.top if self.top else float("nan")

    def without(self, part: str) -> float:
        """The ratio without one part."""
        return (self.total - float(getattr(self, part))) / self.top if self.top else float("nan")


PARTS = ("cheap", "chosen", "fallback", "audits", "judge", "loop")


def bill(world: World, tasks: Sequence[str] | None = None) -> Bill:
    """Over these tasks; None: all, those that came new too."""
    chosen = world.counted if tasks is None else np.isin(world.task, list(tasks)) & world.counted
    rows = world.served.rows(chosen)
    top_part = np.where(rows.final == len(world.settings.portfolio) - 1, rows.top_cost_usd, 0.0)
    spent = {key: usd for key, usd in world.evidence.spent_usd.items() if tasks is None or key[0] in tasks}
    lessons = sum(turn.unpaid_usd for turn in world.turns) if tasks is None else 0.0
    return Bill(
        top=float(rows.top_cost_usd.sum()),
        cheap=float((rows.cost_usd - top_part).sum()),
        chosen=float(top_part[~rows.fallback].sum()),
        fallback=float(top_part[rows.fallback].sum()),
        audits=sum(usd for (_, kind), usd in spent.items() if kind == "tier"),
        judge=sum(usd for (_, kind), usd in spent.items() if kind == "judge"),
        loop=lessons,
    )


def bill_at_top(world: World, at_top: Sequence[str], tasks: Sequence[str] | None = None) -> float:
    """The bill's ratio, had the top tier answered all of the tasks in `at_top`, and nobody audited them."""
    whole = bill(world, tasks)
    spared = [bill(world, [task]) for task in at_top]
    return (whole.total + sum(part.top - part.total for part in spared)) / whole.top


def called(world: World, task: str) -> str:
    """The task for tables, with its status where nothing is proved of what serves it."""
    return f"{task} (EMPIRICAL)" if task in empirical_tasks(world.settings) else task


def ratio(
    world: World, which: NDArray[np.bool_], numerator: FloatArray, denominator: FloatArray, *, draws: int = DRAWS
) -> Interval:
    """Sum over sum on some queries, with an interval by draws of groups."""
    if not which.any():
        return UNKNOWN
    found = {"it": RowRatio(numerator[which], denominator[which])}
    return paired_bootstrap(found, world.group[which].tolist(), seed=world.plan.seed, draws=draws).interval("it")


def quality_ratio(world: World, which: NDArray[np.bool_], *, draws: int = DRAWS) -> Interval:
    """Of what was served, over the top tier's."""
    return ratio(world, which, world.served.quality, world.served.top_quality, draws=draws)


def over_every_row(world: World, task: str, which: NDArray[np.bool_]) -> Interval:
    """The quality ratio of what served these queries, over every counted row of the task once."""
    rows = world.every_row.get(task)
    served = [
        (how, world.moments[d])
        for how, d in zip(world.served.how[which].tolist(), world.day[which].tolist(), strict=True)
    ]
    quality = None if rows is None else rows.of(served)
    if rows is None or quality is None:
        return UNKNOWN
    found = {"it": RowRatio(quality, rows.top)}
    return paired_bootstrap(found, rows.groups, seed=world.plan.seed, draws=DRAWS).interval("it")


def proved(world: World, which: NDArray[np.bool_]) -> bool:
    """Whether each of these queries was served under a certificate, or by the top tier."""
    kinds = [world.statuses[how] for how in set(world.served.how[which].tolist())]
    return bool(kinds) and all(status in PROVED or not routed for status, routed in kinds)


@dataclass(frozen=True, slots=True)
class TaskQuality:
    """One task over all weeks."""

    task: str
    whole: Interval
    outside: Interval
    """Without what came between an episode's start and its alarm or end."""
    proved: bool
    """Whether all that is outside was served under a certificate, or by the top tier."""


def task_quality(world: World, task: str) -> TaskQuality:
    """Of the counted queries."""
    mine = world.of_task(task)
    outside = mine & ~blind_stretch(world, task)
    return TaskQuality(task, quality_ratio(world, mine), quality_ratio(world, outside), proved(world, outside))


@dataclass(frozen=True, slots=True)
class WeekQuality:
    """One task in one week, without what came between an episode's start and its alarm or end."""

    task: str
    week: int
    n: int
    whole: float | None
    """Of all counted queries of the week."""
    outside: Interval
    """Of those outside such stretches."""


def weeks(world: World) -> list[WeekQuality]:
    """Every task and week with counted queries."""
    out = []
    for task in world.tasks:
        mine, blind = world.of_task(task), blind_stretch(world, task)
        for week in range((world.plan.days + WEEK_DAYS - 1) // WEEK_DAYS):
            rows = mine & (world.day // WEEK_DAYS == week)
            seen = rows & ~blind
            whole = _plain(world, rows)
            out.append(WeekQuality(task, week + 1, int(seen.sum()), whole, quality_ratio(world, seen)))
    return out


def _plain(world: World, rows: NDArray[np.bool_]) -> float | None:
    top = world.served.top_quality[rows].sum()
    return float(world.served.quality[rows].sum() / top) if top > 0.0 else None


def blind_stretch(world: World, task: str) -> NDArray[np.bool_]:
    """Queries between the start of an episode that can harm the task and its first alarm, or the episode's end."""
    out = np.zeros(world.served.n, dtype=np.bool_)
    for episode in world.plan.episodes:
        if episode.kind in LOWERS and episode.harms(task):
            begin_s, end_s = _span_s(world, episode)
            alarm_s = _alarm_s(world, task, begin_s, end_s)
            out |= (world.served.at_s >= begin_s) & (world.served.at_s < (alarm_s or end_s))
    return out


def _span_s(world: World, episode: Episode) -> tuple[float, float]:
    end_day = world.plan.days if episode.end_day is None else min(episode.end_day, world.plan.days)
    return BEGIN_S + episode.first_day * DAY_S, BEGIN_S + end_day * DAY_S


def _alarm_s(world: World, task: str, since_s: float, until_s: float) -> float | None:
    """The first alarm of the task in between."""
    found = [a.raised_s for a in world.evidence.alarms if a.task == task and since_s < a.raised_s <= until_s]
    return min(found, default=None)


@dataclass(frozen=True, slots=True)
class Course:
    """How one episode went for one task."""

    episode: Episode
    task: str
    before: float | None
    """Quality ratio from the episode's start to its alarm, or to its end."""
    alarm_days: float | None
    """From its start; None: no alarm before the next episode that can harm the task."""
    back_days: float | None
    """From the alarm to a policy that was calibrated again; None: none in the episode, or none was needed."""
    during: float | None
    """From the alarm to the end of the episode."""
    after: Interval
    """Quality ratio of what was drawn in the week after it, or after its recalibration where it stays."""
    after_every_row: Interval
    """Of what was in force in that week, over every counted row of the task once."""
    proved_after: bool
    """Whether all of that week was served under a certificate, or by the top tier."""
    cost_after: float | None
    calibrated: int
    """New versions of the task from its start to `AFTER_DAYS` after its end."""


def courses(world: World) -> list[Course]:
    """Every episode and task that it can harm."""
    return [
        _course(world, episode, task)
        for episode in world.plan.episodes
        if episode.first_day < world.plan.days
        for task in world.tasks
        if episode.harms(task)
    ]


def _course(world: World, episode: Episode, task: str) -> Course:
    begin_s, end_s = _span_s(world, episode)
    alarm_s = _alarm_s(world, task, begin_s, min(end_s, _next_start_s(world, episode, task)))
    made = [
        a.at_s
        for a in world.evidence.attempts
        if a.task == task and a.result == "active" and begin_s < a.at_s <= end_s + AFTER_DAYS * DAY_S
    ]
    back_s = next((at_s for at_s in made if alarm_s is not None and at_s > alarm_s), None)
    stays = episode.end_day is None or end_s >= BEGIN_S + world.plan.days * DAY_S
    since_s = (back_s or begin_s) if stays else end_s
    mine, at_s = world.of_task(task), world.served.at_s
    after = mine & (at_s >= since_s) & (at_s < min(since_s + AFTER_DAYS * DAY_S, _next_start_s(world, episode, task)))
    cost = world.served.top_cost_usd[after].sum()
    return Course(
        episode,
        task,
        _plain(world, mine & (at_s >= begin_s) & (at_s < (alarm_s or end_s))),
        None if alarm_s is None else (alarm_s - begin_s) / DAY_S,
        None if alarm_s is None or back_s is None else (back_s - alarm_s) / DAY_S,
        None if alarm_s is None else _plain(world, mine & (at_s >= alarm_s) & (at_s < end_s)),
        quality_ratio(world, after),
        over_every_row(world, task, after),
        proved(world, after),
        float(world.served.cost_usd[after].sum() / cost) if cost else None,
        len(made),
    )


def _next_start_s(world: World, episode: Episode, task: str) -> float:
    """When the next episode begins that can harm the task."""
    later = [e.first_day for e in world.plan.episodes if e.first_day > episode.first_day and e.harms(task)]
    return BEGIN_S + min(later, default=world.plan.days) * DAY_S
