"""What `routenlp status` says of each task's promise."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict
from typing import Any

from routenlp import wiring
from routenlp.bench.six_tasks.table import Table
from routenlp.drift.delay import Delay
from routenlp.gateway.live import served_tasks
from routenlp.gateway.standing import WORSE, JudgeStanding, TaskStanding, alarm_delay, standings
from routenlp.settings import Settings
from routenlp.store.sql.leases import WORKER, paused

Told = tuple[TaskStanding, Delay | None]
DAY_S = 86_400.0


def promises(connection: sqlite3.Connection, settings: Settings, now_s: float) -> list[Told]:
    """By task; raises what reading a policy raises."""
    force = wiring.policies_in_force(settings)
    serving = wiring.serving_policy(settings)
    statuses = serving.statuses if serving is not None else {}
    served = served_tasks(settings, statuses, force.alarmed, force.audit_rates)
    policy = serving.policy if serving is not None else None
    return [
        (one, alarm_delay(connection, one.task, served[one.task].tiers[-1], now_s, seed=settings.seed))
        for one in standings(connection, settings, policy, served, now_s)
    ]


def promise_tables(told: list[Told]) -> list[Table]:
    """Everything that is always said of a task, in two tables; none where there is no task."""
    if not told:
        return []
    proofs = ("task", "guarantee", "target", "delta", "status", "n (groups; gold, judged)", "method", "estimate, bound")
    live = (
        "task",
        "P(failed | accepted)",
        "escalated",
        "cost ratio",
        "labels needed",
        "certificate age",
        "alarm level",
        f"alarm after, were {WORSE:.0%} more bad",
        "audited now",
        "judge beside people",
        "audits missing",
    )
    return [
        Table("What is promised", proofs, tuple(_proof(one) for one, _ in told)),
        Table("How it stands", live, tuple(_live(one, delay) for one, delay in told)),
    ]


def as_json(told: list[Told]) -> list[dict[str, Any]]:
    """For other programs."""
    return [
        {**asdict(one), "status": _status(one), "alarm_delay": None if delay is None else asdict(delay)}
        for one, delay in told
    ]


def worker_words(connection: sqlite3.Connection) -> list[str]:
    """Where the workers were stopped."""
    stopped = paused(connection, WORKER)
    if stopped is None:
        return []
    return [f"The workers are PAUSED, by {stopped.by}: no audit is run and no alarm raised (worker --resume)."]


def _proof(one: TaskStanding) -> tuple[str, ...]:
    known = "" if one.gold is None else f"; {one.gold:,}, {one.judged or 0:,}"
    rows = f"{one.n:,} ({one.groups:,}{known})" if one.n else "none"
    figures = "none" if one.estimate is None else f"{one.estimate:.4f}, {_or_none(one.bound, '.4f')}"
    if one.bound_if_missing_failed is not None and one.bound_if_missing_failed != one.bound:
        figures += f" ({one.bound_if_missing_failed:.4f} if all that is missing failed)"
    target = f"{one.target:g}"
    return (one.task, one.guarantee, target, f"{one.delta:g}", _status(one), rows, one.method or "none", figures)


def _live(one: TaskStanding, delay: Delay | None) -> tuple[str, ...]:
    share = one.failed_given_accepted
    failed = f"{share.count}/{share.of}: [{share.low:.3f}, {share.high:.3f}]" if share.of else "no audit"
    low, high = one.failed_given_accepted_if_missing
    if share.of and (low, high) != (share.low, share.high):
        failed += f"; [{low:.3f}, {high:.3f}] whatever is missing"
    age = "none" if one.certificate_age_s is None else f"{one.certificate_age_s / DAY_S:.1f} days"
    needed = "not known" if one.labels_needed is None else f"{one.labels_needed:,}"
    if one.gold_needed:
        needed += f"; {one.gold_needed:,} by people"
    return (
        one.task,
        failed,
        _or_none(one.escalated, ".3f"),
        _or_none(one.cost_ratio, ".3f"),
        needed,
        age,
        f"{one.alarm_level:.3g}{' OPEN' if one.alarmed else ''}",
        _days(delay),
        f"{one.audited.rate:.1%}: {one.audited.why}",
        _judge(one.judge),
        _missing(one),
    )


def _missing(one: TaskStanding) -> str:
    found = one.audits
    if found.share is None:
        return "no audit"
    late = f"; {found.unreached:,} more were not reached" if found.unreached else ""
    return f"{found.missing:,} of {found.graded + found.missing:,} ({found.share:.1%}, of {one.most_missing:.1%}){late}"


def _judge(one: JudgeStanding | None) -> str:
    if one is None or one.leniency is None:
        return "not known"
    return f"{one.leniency:+.3f} lenient on {one.compared:,} (alarm level {one.alarm_level:.3g})"


def _status(one: TaskStanding) -> str:
    return "stale" if one.stale else str(one.status)


def _days(delay: Delay | None) -> str:
    if delay is None:
        return "not known: no audit was watched"
    found = (delay.median_days, delay.p90_days)
    median, p90 = ("over a year" if days is None else f"{days:.1f} days" for days in found)
    return f"median {median}, 9 of 10 within {p90}"


def _or_none(value: float | None, how: str) -> str:
    return "not known" if value is None else format(value, how)
