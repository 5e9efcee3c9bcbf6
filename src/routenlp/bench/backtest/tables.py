"""The tables of a backtest."""

from __future__ import annotations

from routenlp.bench.six_tasks.table import Table, interval
from routenlp.conformal.verdict import Verdict
from routenlp.replay.backtest.result import Backtest, Point, TaskResult
from routenlp.replay.backtest.words import NOTHING_SAVED, about, missing, target_in_words
from routenlp.replay.intervals import Interval

NONE = "–"


def all_tables(found: Backtest) -> list[Table]:
    """Systems, the four rules side by side, tasks, and what was dropped."""
    tables = [systems(found), guarantees(found)]
    if len(found.tasks) > 1:
        tables.append(tasks(found))
    if found.recording.dropped:
        tables.append(dropped(found))
    return tables


def systems(found: Backtest) -> Table:
    """Every system at the same target, tuned on the same rows; ours first."""
    rows = tuple(
        (
            s.name,
            _mean(s.cost_ratio),
            _mean(s.quality_ratio),
            _mean(s.cost_at_target),
            _mean(s.aiq),
            _missed(s.share_of_repeats_missing_target, s.share_missing_beyond_noise),
            s.note,
        )
        for s in found.systems
    )
    splits = "1 split" if found.repeats == 1 else f"mean of {found.repeats} splits, [2.5% and 97.5% points]"
    heads = (
        "system",
        "cost ratio",
        "quality ratio",
        "cost at equal quality",
        "AIQ",
        "splits missing the target (beyond noise)",
        "note",
    )
    title = f"Systems beside always-{found.recording.tiers[-1]}, tuned {target_in_words(found.target)}, on test queries"
    return Table(f"{title} ({splits})", heads, rows)


def guarantees(found: Backtest) -> Table:
    """The four rules side by side, first split: what each proved and what test queries say."""
    rows = []
    for name, rule in found.guarantees.items():
        rows.append((name, status(rule.verdict, rule.test), _bound(rule.verdict), *_rates(rule.test)))
        normal = rule.asymptotic
        rows.append(
            (f"{name} (normal)", status(normal, rule.asymptotic_test), _bound(normal), *_rates(rule.asymptotic_test))
        )
    paper = found.paper
    promised = "needs a confidence" if paper.test is None else paper.status.upper()
    rows.append(("paper", promised, NONE, *_rates(paper.test)))
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
    """Each task's own certificate, on its own calibration rows."""
    rows = tuple(
        (name, status(t.verdict, t.test), f"{t.rows:,}", *_rates(t.test)[:2], _needed(t))
        for name, t in found.tasks.items()
    )
    heads = ("task", "status", "n", "cost ratio", "quality ratio", "more labels to prove its tuned point")
    return Table("Every task on its own, first split", heads, rows)


def dropped(found: Backtest) -> Table:
    """What of the recording was not used."""
    rows = tuple((d.what, f"{d.count:,}", d.why) for d in found.recording.dropped)
    return Table("Dropped", ("what", "count", "why"), rows)


def status(verdict: Verdict, point: Point) -> str:
    """The status; where what it proves costs as much as the top tier, that too."""
    cost = point.cost_ratio.estimate
    if verdict.selected and cost is not None and cost >= NOTHING_SAVED:
        return f"{verdict.status.upper()}, nothing cheaper"
    return verdict.status.upper()


def _needed(task: TaskResult) -> str:
    if task.labels_still_needed is None:
        return "nothing cheaper holds the target"
    return about(task.labels_still_needed) if task.labels_still_needed else NONE


def _bound(verdict: Verdict) -> str:
    return NONE if verdict.bound is None or not verdict.selected else f"{verdict.bound:.3f}"


def _missed(share: float | None, beyond: float | None) -> str:
    return NONE if share is None else f"{missing(share)} ({missing(beyond)})"


def _rates(point: Point | None) -> tuple[str, str, str, str]:
    if point is None:
        return NONE, NONE, NONE, NONE
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
