"""What an auditor asks for: every change with its evidence, how traffic was sampled, what days brought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.policy_words import evidence_words
from routenlp.cli.promises import Told
from routenlp.cli.report.cells import NONE, UNKNOWN, day, moment, number, percent, ratio, usd
from routenlp.replay.report.changes import By, Change
from routenlp.replay.report.figures import Figures
from routenlp.replay.report.sampling import TaskSampling
from routenlp.replay.report.timeline import Span
from routenlp.store.sql.recalibrations import Attempt


def change_table(found: Figures) -> Table | None:
    """In order of time."""
    heads = ("when (UTC)", "task", "from", "to", "trigger", "who", "evidence")
    rows = tuple(map(_change, found.changes.made))
    return Table("Every change of what serves", heads, rows) if rows else None


def tried_table(found: Figures) -> Table | None:
    """Calibrations after which the same thing serves."""
    heads = ("when (UTC)", "task", "trigger", "result", "why", "graded audits", "labels needed")
    rows = tuple(map(_tried, found.changes.tried))
    return Table("Calibrations that changed nothing", heads, rows) if rows else None


def sampling_table(found: Figures) -> Table:
    """The chance of each request is on record from before the draw."""
    heads = (
        "task",
        "requests",
        "might be drawn",
        "chance",
        "expected",
        "drawn",
        "tier named by client",
        "router: off",
        "other reasons",
    )
    return Table("Drawn for audits, and never to be drawn", heads, tuple(map(_sampled, found.sampling)))


def rate_table(told: list[Told]) -> Table:
    """As things stand now, whatever the period."""
    rows = tuple((one.task, percent(one.audited.rate), one.audited.why) for one, _ in told)
    return Table("Drawn as of now, and why so much", ("task", "chance", "by"), rows)


def line_table(found: Figures) -> Table:
    """The chart's figures."""
    unit = "day" if found.timeline.days_each == 1 else "week from"
    heads = (unit, "requests", "paid for serving", "always-top", "quality ratio", "graded audits")
    rows = tuple(map(_span, found.timeline.spans))
    return Table("Cost and quality over time, of measured tasks", heads, rows)


def words_of(evidence: Mapping[str, Any]) -> str:
    """A sentence; the kinds that a policy's own moves do not have are told here."""
    kind = evidence.get("kind")
    if kind == "alarm":
        return (
            f"The detector of {evidence['guarantee']} at {evidence['target']:g} reached {evidence['level']:.2f} of its "
            f"threshold after {evidence['audits_seen']:,} audits."
        )
    if kind in ("unwatched", "judge"):
        return str(evidence["why"])
    if kind == "alarm cleared":
        return f"Cleared: {evidence['by']}."
    if kind == "settings":
        return f"No move on record put it there; it answered {evidence['requests']:,} requests."
    if kind == "recalibration" and evidence.get("status") is not None:
        return f"{evidence_words(evidence)} {_figures(evidence)}"
    return evidence_words(evidence)


def _figures(evidence: Mapping[str, Any]) -> str:
    before = evidence.get("before") or {}
    now = f"Estimate {number(evidence.get('estimate'), '.4f')}, bound {number(evidence.get('bound'), '.4f')}"
    return f"{now}; before: {before.get('status') or UNKNOWN}, bound {number(before.get('bound'), '.4f')}."


def _span(span: Span) -> tuple[str, ...]:
    paid = None if span.top_usd is None else span.paid_usd
    money = (usd(paid), usd(span.top_usd))
    return (day(span.day), f"{span.requests:,}", *money, ratio(span.quality_ratio), f"{span.audits:,}")


def _change(change: Change) -> tuple[str, ...]:
    share = "" if change.share == 1.0 else f" ({change.share:.0%} of conversations)"
    ends = (change.before, change.after + share)
    told = words_of(change.evidence)
    if change.by is By.ITSELF:
        told = told.removeprefix("By hand: ")  # a turn's own word for what it found serving
    return (moment(change.at_s), change.task or "all", *ends, change.trigger, str(change.by), told)


def _tried(attempt: Attempt) -> tuple[str, ...]:
    found = attempt.evidence
    needed = found.get("labels_needed")
    return (
        moment(attempt.at_s),
        attempt.task,
        attempt.trigger,
        attempt.result,
        str(found.get("reason") or UNKNOWN),
        number(found.get("graded"), ",d"),
        number(needed, ",d"),
    )


def _sampled(s: TaskSampling) -> tuple[str, ...]:
    low, high = s.least_propensity, s.most_propensity
    chance = NONE if low is None else percent(low) if low == high else f"{percent(low)} to {percent(high)}"
    expected = NONE if low is None else f"{s.expected:,.1f} ± {s.expected_error:,.1f}"
    never = (f"{s.named:,}", f"{s.off:,}", f"{s.never:,}")
    return (s.task, f"{s.requests:,}", f"{s.covered:,}", chance, expected, f"{s.drawn:,}", *never)
