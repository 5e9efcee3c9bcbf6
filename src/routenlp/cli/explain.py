"""`routenlp explain TRACE_ID`."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import MissingData
from routenlp.store.sql.audits import Grade, TierAnswer, answers_of, grades_of
from routenlp.store.sql.database import mapped, open_reader
from routenlp.store.sql.reader import StoredTrace, read_trace

UNKNOWN = "–"


def run(store: Path, name: str, json_target: str | None) -> None:
    """Raises `MissingData` where no trace has this id."""
    connection = open_reader(store)
    with mapped(store):
        trace = read_trace(connection, name)
        audit = _read_audit(connection, trace) if trace is not None else None
    connection.close()
    if trace is None:
        raise MissingData(
            f"trace {name!r}",
            f"is not in {str(store)!r}",
            "Check the id; `routenlp status` says how many records were dropped.",
        )
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(trace), ""])
    show_tables(console, [*tables(trace), *(audit_tables(audit) if audit is not None else [])])
    show_lines(console, [f"Feedback: {said.kind} {said.value!r}" for said in trace.feedback])
    if json_target is not None:
        write_json({**asdict(trace), "audit": asdict(audit) if audit is not None else None}, json_target)


@dataclass(frozen=True, slots=True)
class ReadAudit:
    """What an audit brought so far."""

    answers: tuple[TierAnswer, ...]
    grades: tuple[Grade, ...]


def _read_audit(connection: sqlite3.Connection, trace: StoredTrace) -> ReadAudit | None:
    if not trace.audited:
        return None
    return ReadAudit(tuple(answers_of(connection, trace.id)), tuple(grades_of(connection, trace.id)))


def words(trace: StoredTrace) -> list[str]:
    """What happened, and why."""
    at = datetime.fromtimestamp(trace.at_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = f"{trace.tier} answered" if trace.tier else "no tier answered"
    detail = trace.detail
    lines = [
        f"{at}, task {trace.task}: {who} ({trace.outcome}).",
        f"First tier {trace.first_tier}: {detail['route_reason'] or 'no reason on record'}.",
        f"Answer: {detail['reason'] or 'no reason on record'}.",
        f"Policy {trace.policy[:12]}, status {trace.status}.",
        f"Cost ${trace.cost_usd:.6f}; {_compared(trace)}.",
        f"Took {trace.latency_s * 1e3:.0f} ms, of which ours {_ms(trace.overhead_s)}.",
    ]
    lines += [_committed(step) for step in detail["steps"] if step.get("commit") is not None]
    lines += [_unanswered(step) for step in detail["steps"] if step["error"] and _estimated(step)]
    if (first_token_s := detail.get("first_token_s")) is not None:
        lines.append(f"Streamed ({detail['streaming']}); the first token came after {_ms(first_token_s)}.")
    guess = detail.get("task_guess")
    if guess is not None:
        named = f"the classifier's likeliest was {guess['likeliest']}, with confidence {guess['confidence']:.3f}"
        lines.append(f"No task was given: {named}; plausible were {', '.join(guess['plausible'])}.")
    if trace.audited:
        lines.append(f"Audited, with probability {_number(trace.audit_propensity)}.")
    return lines


def tables(trace: StoredTrace) -> list[Table]:
    """The steps; and what the router expected, where it said so."""
    steps = tuple(_step(step) for step in trace.detail["steps"])
    heads = ("tier", "verdict", "score", "threshold", "tokens in", "tokens out", "cost", "latency")
    found = [Table("Steps", heads, steps)]
    estimates, chances = trace.detail["estimates"], trace.detail["propensities"]
    if estimates or chances:
        tiers = list(estimates) + [tier for tier in chances if tier not in estimates]
        rows = tuple((tier, _number(estimates.get(tier)), _number(chances.get(tier))) for tier in tiers)
        found.append(Table("Before any answer", ("tier", "expected quality", "chance of being first"), rows))
    return found


def audit_tables(audit: ReadAudit) -> list[Table]:
    """What every tier answered, and what that was worth; none where nothing was run yet."""
    if not audit.answers:
        return []
    rows = tuple(
        (
            answer.tier,
            answer.error or ("asked again" if answer.asked_again else "served"),
            answer.model or UNKNOWN,
            _number(answer.score),
            f"${answer.cost_usd:.6f}",
            ", ".join(f"{g.quality:.3f} ({g.source}: {g.grader})" for g in audit.grades if g.tier == answer.tier)
            or UNKNOWN,
        )
        for answer in audit.answers
    )
    return [Table("Audit", ("tier", "answer", "model", "score", "paid again", "quality"), rows)]


def _step(step: dict[str, Any]) -> tuple[str, ...]:
    verdict = step["error"] or ("returned" if step["accepted"] else "escalated")
    if (commit := step.get("commit")) is not None and not commit["released"]:
        verdict = "cancelled"
    return (
        step["tier"],
        verdict,
        _number(step["score"]),
        _number(step["threshold"]),
        _whole(step["input_tokens"]),
        _whole(step["output_tokens"]),
        f"${step['cost_usd']:.6f}",
        _ms(step["latency_s"]),
    )


def _committed(step: dict[str, Any]) -> str:
    commit = step["commit"]
    what, side = ("released", "within") if commit["released"] else ("cancelled", "over")
    score, threshold = f"{commit['score']:.3f}", f"{commit['threshold']:.3f}"
    return (
        f"{step['tier']} was {what} after {commit['tokens']} tokens: their uncertainty {score} is {side} {threshold}."
    )


def _estimated(step: dict[str, Any]) -> bool:
    """Whether something was charged without an answer that would report tokens."""
    return step["cost_usd"] > 0.0 and step["output_tokens"] is None


def _unanswered(step: dict[str, Any]) -> str:
    return (
        f"{step['tier']} gave no answer ({step['error']}), and bills what it was sent: ${step['cost_usd']:.6f} is an "
        "estimate. What a call had written when it was broken off is not known, and not counted."
    )


def _compared(trace: StoredTrace) -> str:
    if trace.top_cost_usd is None:
        return "what the top tier alone would have cost is not known"
    return f"the top tier alone would have cost about ${trace.top_cost_usd:.6f}"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _whole(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def _ms(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds * 1e3:.1f} ms"
