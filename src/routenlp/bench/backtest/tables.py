"""The tables of a backtest."""

from __future__ import annotations

from routenlp.bench.six_tasks.table import Table, interval
from routenlp.replay.backtest.result import Backtest, PaperResult, Point
from routenlp.replay.intervals import Interval


def all_tables(found: Backtest) -> list[Table]:
    """Systems, the four rules side by side, tasks, and what was dropped."""
    tables = [systems(found), guarantees(found)]
    if len(found.tasks) > 1:
        tables.append(tasks(found))
    if found.recording.dropped:
        tables.append(dropped(found))
    return tables


def systems(found: Backtest) -> Table:
    """Every system at the same target, tuned on the same rows."""
    rows = []
    for s in found.systems:
        missing = "–" if s.share_of_repeats_missing_target is None else f"{s.share_of_repeats_missing_target:.0%}"
        rows.append((s.name, _mean(s.cost_ratio), _mean(s.quality_ratio), _mean(s.aiq), missing, s.note))
    splits = "1 split" if found.repeats == 1 else f"{found.repeats} splits, between their 2.5% and 97.5% points"
    heads = ("system", "cost ratio", "quality ratio", "AIQ", "splits missing the target", "note")
    target = f"tuned on calibration queries to {1 - found.target.eps:.0%} of always-{found.recording.tiers[-1]}"
    return Table(f"Systems on test queries, {target} ({splits})", heads, tuple(rows))


def guarantees(found: Backtest) -> Table:
    """The four rules side by side, first split: what each proved and what test queries say."""
    rows = [("paper", _promise(found.paper), "–", *_rates(found.paper.test))]
    for name, rule in found.guarantees.items():
        for kind, verdict, point in (
            ("", rule.verdict, rule.test),
            (" (normal)", rule.asymptotic, rule.asymptotic_test),
        ):
            bound = "–" if verdict.bound is None else f"{verdict.bound:.3f}"
            rows.append((f"{name}{kind}", str(verdict.status).upper(), bound, *_rates(point)))
    heads = (
        "rule",
        "status",
        "bound",
        "cost ratio",
        "quality ratio",
        "P(accepted and failed)",
        "P(failed given accepted)",
    )
    return Table("The four rules side by side, first split, on test queries", heads, tuple(rows))


def tasks(found: Backtest) -> Table:
    """Each task's own certificate."""
    rows = []
    for name, task in found.tasks.items():
        needed = "never" if task.labels_still_needed is None else f"{task.labels_still_needed:,}"
        v = task.verdict
        rows.append((name, str(v.status).upper(), f"{v.n:,}", *_rates(task.test)[:2], needed))
    heads = ("task", "status", "n", "cost ratio", "quality ratio", "labels still needed")
    return Table("Every task on its own, first split", heads, tuple(rows))


def dropped(found: Backtest) -> Table:
    """What of the recording was not used."""
    rows = tuple((d.what, f"{d.count:,}", d.why) for d in found.recording.dropped)
    return Table("Dropped", ("what", "count", "why"), rows)


def _promise(paper: PaperResult) -> str:
    if paper.test is None:
        return "needs a confidence"
    return "promise given" if paper.promise_given else "promise NOT given"


def _rates(point: Point | None) -> tuple[str, str, str, str]:
    if point is None:
        return "–", "–", "–", "–"
    return (
        interval(point.cost_ratio),
        interval(point.quality_ratio),
        interval(point.p_accepted_and_failed),
        interval(point.p_failed_given_accepted),
    )


def _mean(value: Interval) -> str:
    if value.estimate is not None and value.low is None:
        return f"{value.estimate:.3f}"
    return interval(value)
