"""Each task: what is promised, what the audits say of it, what it cost."""

from __future__ import annotations

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.promises import Told
from routenlp.cli.report.cells import (
    NONE,
    UNKNOWN,
    number,
    percent,
    percent_interval,
    plural,
    ratio,
    usd,
    usd_interval,
)
from routenlp.replay.report.figures import Figures
from routenlp.replay.report.quality import TaskQuality
from routenlp.replay.report.sampling import TaskSampling
from routenlp.replay.report.savings import TaskSavings

DAY_S = 86_400.0


def promise_table(told: list[Told]) -> Table:
    """As things stand now, whatever the period."""
    heads = (
        "task",
        "guarantee",
        "target",
        "delta",
        "status",
        "proved on",
        "certificate's age",
        "labels needed",
        "alarm level",
    )
    return Table("What is promised, as of now", heads, tuple(map(_promise, told)))


def quality_table(found: Figures) -> Table:
    """On the audits of the period."""
    heads = (
        "task",
        "target",
        "quality ratio",
        "failed, of cheap answers",
        "cheap and failed, of all",
        "escalated",
        "graded audits",
    )
    escalated = {s.task: s for s in found.sampling}
    rows = tuple(_quality(q, escalated.get(q.task)) for q in found.quality)
    return Table("Quality on audits", heads, rows)


def missing_table(found: Figures) -> Table | None:
    """None where every audit has a grade."""
    heads = ("task", "audits drawn", "without a grade", "why", "quality ratio at worst", "at best")
    rows = tuple(_missing(q) for q in found.quality if q.left_out)
    return Table("Audits without a grade, and what they could change", heads, rows) if rows else None


def judged_table(found: Figures) -> Table | None:
    """What a judge says where nobody else does."""
    heads = ("task", "audits", "quality ratio by the judge")
    rows = tuple((q.task, f"{q.judged:,}", ratio(q.by_judge)) for q in found.quality if q.judged)
    return Table("By a judge alone: its word, and no truth", heads, rows) if rows else None


def money_table(found: Figures) -> Table:
    """Without what audits and judging cost: that is of all tasks together."""
    heads = ("task", "requests", "always-top", "paid for serving", "saved", "audits measured", "from tokens alone")
    return Table(
        "Money by task, audits and judging not taken off", heads, tuple(_money(t) for t in found.savings.tasks)
    )


def paid_table(found: Figures) -> Table:
    """Every kind of cost that is on record."""
    spent = found.savings.spent
    turns = f"lessons of {plural(spent.turns, 'turn')} of the loop, as planned"
    rows = (
        ("serving: every tier that was asked", usd(spent.serving_usd)),
        ("audits: other tiers on requests drawn at random", usd(spent.audits_usd)),
        ("judging", usd(spent.judge_usd)),
        (turns, usd(spent.turns_usd)),
        ("all", usd(spent.usd)),
    )
    return Table("What was paid", ("for", "paid"), rows)


def outside_table(found: Figures) -> Table | None:
    """None where audits stand for every request."""
    rows = tuple((o.why, f"{o.requests:,}", usd(o.paid_usd)) for o in found.savings.outside)
    return Table("Requests whose savings are not measured", ("why", "requests", "paid"), rows) if rows else None


def _promise(told: Told) -> tuple[str, ...]:
    one, _ = told
    age = NONE if one.certificate_age_s is None else f"{one.certificate_age_s / DAY_S:.1f} days"
    by = "" if one.gold is None else f" ({one.gold:,} gold, {one.judged or 0:,} judged)"
    rows = f"{plural(one.n, 'row')} of {plural(one.groups, 'conversation')}{by}, {one.method}" if one.n else "nothing"
    return (
        one.task,
        one.guarantee,
        f"{one.target:g}",
        f"{one.delta:g}",
        "stale" if one.stale else str(one.status),
        rows,
        age,
        UNKNOWN if one.labels_needed is None else f"{one.labels_needed:,}",
        "OPEN" if one.alarmed else f"{one.alarm_level:.2g} of 1",
    )


def _quality(q: TaskQuality, sampled: TaskSampling | None) -> tuple[str, ...]:
    escalated = None if sampled is None or not sampled.routed else sampled.escalated / sampled.routed
    graded = f"{q.graded:,} of {q.drawn:,} ({q.gold:,} gold; {plural(q.groups, 'conversation')})"
    return (
        q.task,
        str(q.kept),
        ratio(q.ratio),
        percent_interval(q.failed_given_accepted),
        percent_interval(q.accepted_and_failed),
        percent(escalated),
        graded if q.drawn else NONE,
    )


def _missing(q: TaskQuality) -> tuple[str, ...]:
    why = "; ".join(f"{reason}: {n:,}" for reason, n in q.left_out.items())
    low, high = (None, None) if q.with_left_out is None else (q.with_left_out.low, q.with_left_out.high)
    return (q.task, f"{q.drawn:,}", f"{sum(q.left_out.values()):,}", why, number(low, ".3f"), number(high, ".3f"))


def _money(t: TaskSavings) -> tuple[str, ...]:
    audits = f"{t.audits:,} of {t.audits + t.unmeasured:,} ({plural(t.groups, 'conversation')})"
    return (
        t.task,
        f"{t.requests:,}",
        usd_interval(t.top),
        usd(t.paid_usd),
        percent_interval(t.saved),
        audits if t.by_rule < t.requests else "none needed",
        usd(t.token_estimate_usd),
    )
