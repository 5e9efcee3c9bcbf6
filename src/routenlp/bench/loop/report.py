"""What the loop's bench says: tables, notes, checks, and the frame that every bench's JSON has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from routenlp.bench.frame import at_most, frame
from routenlp.bench.loop.arms import ARMS, NONE, RANDOM, TARGETED
from routenlp.bench.loop.course import ALL_ROWS
from routenlp.bench.loop.figures import Arrival, Figures, Standing
from routenlp.bench.loop.run import STRUCTURED, Result
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.settings import Settings

FULL_LIMITS = {"seconds": 5400.0, "peak_rss_mb": 3072.0}
QUICK_LIMITS = {"seconds": 300.0, "peak_rss_mb": 3072.0}
TURN_S = 60.0
HALF = 0.5
UNKNOWN = "–"


def promised(result: Result) -> Figures:
    """Over the structured tasks, which the promises are about; over all there are where none is structured."""
    return result.structured or result.figures


def tables(result: Result) -> list[Table]:
    """Rounds over all tasks, over the structured ones, arrivals, ablations, and every task's rounds."""
    overall = [rounds("Every task counts the same: " + _names(result.figures), result.figures.standings)]
    if result.structured is not None:
        overall.insert(0, rounds("Structured tasks: " + _names(result.structured), result.structured.standings))
    each = [rounds(task, standings) for task, standings in result.figures.by_task.items()]
    return [*overall, arrivals(promised(result)), ablations(promised(result)), *each]


def rounds(title: str, standings: Sequence[Standing]) -> Table:
    """One row an arm and round."""
    heads = ("arm", "round", "lessons a task", "cost ratio", "quality ratio", "answered by each tier", "escalated")
    more = ("cost over random's", "p (Holm)", "sure of another 0.005")
    return Table(title, (*heads, *more), tuple(_cells(s) for s in standings))


def _cells(s: Standing) -> tuple[str, ...]:
    return (
        s.place.arm,
        str(s.place.round),
        f"{s.lessons:,.0f}",
        interval(s.cost_ratio),
        interval(s.quality_ratio),
        " / ".join(f"{share:.0%}" for share in s.tier_shares),
        f"{s.escalated:.1%}",
        UNKNOWN if s.over_random is None else interval(s.over_random),
        UNKNOWN if s.p_value is None else f"{s.p_value:.3f}",
        UNKNOWN if s.surely_worth is None else f"{s.surely_worth:.0%}",
    )


def arrivals(found: Figures) -> Table:
    """How soon each arm costs no more than random at its end."""
    rows = tuple(
        (
            a.arm,
            "not within the rounds" if a.lessons is None else f"{a.lessons:,.0f}",
            UNKNOWN if a.of_random is None else f"{a.of_random:.2f}",
            UNKNOWN if a.on_the_line is None else f"{a.on_the_line:.2f}",
            UNKNOWN if a.gain_over_random is None else f"{a.gain_over_random:.2f}",
        )
        for a in found.arrivals
    )
    heads = ("arm", "lessons a task until random's final cost", "of random's lessons", "on a line between rounds")
    more = ("gain over random's at the end",)
    return Table("How soon each arm costs no more than random picks do at the end", (*heads, *more), rows)


def ablations(found: Figures) -> Table:
    """The paper's: without the cascade, and without the loop; beside the best arm at its end."""
    arm = best_arm(found)
    last = max(p.round for p in found.points if p.arm == arm)
    ours = [p for p in found.points if p.arm == arm and p.round == last]
    first = [p for p in found.points if p.arm == NONE]
    quality = {k: float(np.mean([p.quality.mean() for p in v])) for k, v in (("full", ours), ("no loop", first))}
    cost = {
        k: float(np.mean([p.cost_usd.sum() / p.top_cost_usd.sum() for p in v]))
        for k, v in (("full", ours), ("no loop", first))
    }
    rows = (
        (f"all of it ({arm})", f"{cost['full']:.3f}", f"{quality['full']:.3f}", UNKNOWN, UNKNOWN),
        _ablated(
            "no cascade: the router's first answer is final",
            float(np.mean([p.route_only_cost for p in ours])),
            float(np.mean([p.route_only_quality for p in ours])),
            cost["full"],
            "quality 1.9 points lower",
        ),
        _ablated("no loop: the first tiers", cost["no loop"], quality["no loop"], cost["full"], "cost 28% higher"),
    )
    return Table(
        "What is lost without each part, means over tasks and seeds",
        ("system", "cost ratio", "quality", "cost beside all of it", "the paper"),
        rows,
    )


def _ablated(name: str, cost: float, quality: float, full: float, paper: str) -> tuple[str, ...]:
    return (name, f"{cost:.3f}", f"{quality:.3f}", f"{cost / full - 1.0:+.0%}", paper)


def best_arm(found: Figures) -> str:
    """The targeted arm that arrives at random's final cost soonest, then the cheapest at its end."""
    last = {s.place.arm: s.cost_ratio.estimate or 1.0 for s in found.standings}
    arrived: Mapping[str, Arrival] = {a.arm: a for a in found.arrivals}
    ranked = [arm for arm in TARGETED if arm in last]
    return min(ranked, key=lambda arm: (_lessons(arrived.get(arm)), last[arm]))


def _lessons(arrival: Arrival | None) -> float:
    return float("inf") if arrival is None or arrival.lessons is None else arrival.lessons


def notes(result: Result) -> list[str]:
    """What a reader must know to read the tables rightly."""
    plan = result.plan
    barred = ", ".join(f"{name} {share:.1%}" for name, share in result.barred.items())
    return [
        f"Seeds: {_counts(result)}. Each draws another tenth of the training rows for the first tiers; the rest "
        "arrives as traffic without labels. Lessons a task and round: "
        + ", ".join(str(n) for n in plan.lessons)
        + "; less where they would be over half of the traffic.",
        "A lesson is one answer of the top tier, which replays the data's human labels. All arms buy the same number, "
        f"refit both cheap tiers and the router, and recalibrate to a quality ratio of {plan.target:g} on the "
        "calibration rows, which no arm learns from; costs and qualities are those on the test rows.",
        "The operating point is EMPIRICAL, so the quality ratio on test rows falls a little short of the target, for "
        "all arms alike.",
        "Intervals are 95%, over draws of seeds and of groups of test rows together; arms share the draws, and the "
        "p-values are from the draws of their difference to random's of the same round, by Holm over the arms.",
        "`sure of another 0.005`: the share of tasks and seeds in which the gate rows' lower bound of the gain over "
        "the round before reached the stopping rule's; all rounds are run, so that arms compare at equal lessons.",
        f"Training rows that resemble a held-out row (the same text, Jaccard 0.8, cosine 0.95) were no lesson of any "
        f"arm: {barred}.",
        f"Calibration, gate and test rows that training received, by hash: {result.held_out_seen}.",
        *_fewer_seeds(result),
        *_yardstick(result),
    ]


def _fewer_seeds(result: Result) -> list[str]:
    fewer = [task for task, n in result.seeds.items() if n < max(result.seeds.values())]
    if not fewer:
        return []
    return [f"Fewer seeds of {', '.join(fewer)}, for the time that they take: their intervals are the wider for it."]


def _yardstick(result: Result) -> list[str]:
    if not any(point.arm == ALL_ROWS for point in result.figures.points):
        return []
    return [f"`{ALL_ROWS}` is a yardstick: everything that may be learned from, at once, for one seed."]


def _counts(result: Result) -> str:
    """One number where all tasks have the same, else each task's."""
    if len(set(result.seeds.values())) == 1:
        return str(next(iter(result.seeds.values())))
    return ", ".join(f"{n} of {task}" for task, n in result.seeds.items())


def checks(result: Result, *, quick: bool) -> list[dict[str, object]]:
    """The promises that this bench measures."""
    found = promised(result)
    limits = QUICK_LIMITS if quick else FULL_LIMITS
    out = [_falls(task, found) for task in found.tasks if task in STRUCTURED]
    soonest = min((a.of_random for a in found.arrivals if a.arm in TARGETED and a.of_random is not None), default=None)
    out.append(_check("lessons of the best targeted arm until random's final cost, of random's", soonest, HALF))
    out.append(at_most("held-out rows that training received", float(result.held_out_seen), 0.0))
    out.append(
        at_most("processor seconds of a turn on these tasks, one after the other", result.slowest_turn_s, TURN_S)
    )
    out.append(at_most("seconds", result.seconds, limits["seconds"]))
    out.append(at_most("peak resident memory of a process, MB", result.peak_rss_mb, limits["peak_rss_mb"]))
    return out


def _falls(task: str, found: Figures) -> dict[str, object]:
    """The loop lowers the cost: the best arm's at the end, less that of the first tiers, is under 0."""
    arm = best_arm(found)
    by_place = {(s.place.arm, s.place.round): s.cost_ratio.estimate or 1.0 for s in found.by_task[task]}
    last = max(number for name, number in by_place if name == arm)
    value = round(by_place[arm, last] - by_place[NONE, 0], 6)
    return {
        "name": f"cost ratio of {task}, change over all rounds",
        "value": value,
        "target": 0.0,
        "holds": value < 0.0,
    }


def _check(name: str, value: float | None, target: float) -> dict[str, object]:
    return {"name": name, "value": value, "target": target, "holds": value is not None and value <= target}


def as_json(result: Result, settings: Settings, *, quick: bool) -> dict[str, object]:
    """Ready for `json.dumps`."""
    found = promised(result)
    return frame(
        "loop",
        seed=settings.seed,
        seconds=result.seconds,
        peak_rss_mb=round(result.peak_rss_mb),
        rows=[{"tasks": "all", **asdict(s)} for s in result.figures.standings]
        + [{"tasks": task, **asdict(s)} for task, rows in result.figures.by_task.items() for s in rows],
        checks=checks(result, quick=quick),
        quick=quick,
        generated=result.workload.generated,
        seeds=dict(result.seeds),
        at_once=result.at_once,
        lessons=list(result.plan.lessons),
        arms=[NONE, *ARMS],
        best=best_arm(found),
        random=RANDOM,
        arrivals=[asdict(a) for a in found.arrivals],
        barred=dict(result.barred),
        tables=[asdict(t) for t in tables(result)],
        notes=notes(result),
    )


def _names(found: Figures) -> str:
    return ", ".join(found.tasks)
