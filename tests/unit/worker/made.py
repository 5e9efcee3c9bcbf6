"""A store with audits that wait, and tiers that answer what they are told to."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from routenlp.errors import BackendError
from routenlp.portfolio.prices import Price
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import audits
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.database import open_store
from routenlp.store.sql.records import Content, StepRecord, TraceRecord, new_trace_id
from routenlp.store.sql.writer import RecordWriter
from routenlp.types import Answer
from routenlp.worker.audits import Asked, AuditRunner

NOW_S = 1_700_000_000.0
TIERS = ("small", "mid", "top")
PRICES = {"small": Price(1.0, 1.0), "mid": Price(10.0, 10.0), "top": Price(100.0, 100.0), "judge": Price(1.0, 1.0)}
CONTENT = ContentPolicy("audits")
ASKED = {"messages": [{"role": "user", "content": "Which colour?"}]}


@dataclass
class Says:
    """`Tiers`. `answers`: by tier, its text; an error is raised, and a list is used up from the front."""

    answers: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    prices = PRICES

    async def ask(self, tier, task, request):
        self.asked.append((tier, task, request))
        said = self.answers.get(tier, f"said by {tier}")
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(said, Exception):
            raise said
        answer = Answer(tier, said, (0.9,), 100, 10, PRICES[tier].cost_usd(100, 10), 0.2)
        return Asked(answer, f"{tier}-2026", 0.1)

    @property
    def names(self):
        return [tier for tier, *_ in self.asked]


class Broken(BackendError):
    """Says a part of the query, as an endpoint's own words might."""

    kind = "connect"

    def __init__(self):
        super().__init__("tier", "failed on 'Which colour?'", "Wait.")


def opened(folder: Path, *records: TraceRecord) -> sqlite3.Connection:
    """A store that a gateway wrote these to."""
    path = folder / "s.db"
    writer = RecordWriter(open_store(path), content=CONTENT, clock=lambda: NOW_S)
    assert all(writer.put(record) for record in records)
    assert writer.close(10)
    return open_store(path)


def audited(
    i: int = 0, *, request=ASKED, tiers=TIERS, served="small", at_s: float = NOW_S, entropy=None, **changes
) -> TraceRecord:
    """A request that `served` answered."""
    answers = {served: f"served by {served}"} if served else {}
    steps = (StepRecord(served, 100, 10, 1e-4, 0.3, score=0.1, accepted=True),) if served else ()
    return TraceRecord(
        id=new_trace_id(at_s, entropy or i.to_bytes(10)),
        at_s=at_s,
        task="intent",
        policy_version="p",
        status="certified",
        outcome="ok",
        first_tier=served or "small",
        tier=served,
        steps=steps,
        cost_usd=1e-4,
        latency_s=0.3,
        audited=True,
        audit_propensity=0.02,
        audit_tiers=tiers,
        task_source="tagged",
        content=Content(request, answers),
        **changes,
    )


def runner(connection, tiers, *, allowed=TIERS, budget_usd=100.0, clock=lambda: NOW_S) -> AuditRunner:
    return AuditRunner(
        connection,
        tiers,
        lambda task: allowed if task == "intent" else (),
        CONTENT,
        budget_usd,
        clock,
        "w",
    )


def states(connection) -> list[tuple]:
    return connection.execute("SELECT state, reason FROM audits ORDER BY trace_id").fetchall()


def both_graded(folder, says, *, judge="gemini-3", first=0, propensity=1.0, people=0.5, policy="p"):
    """An audit a minute for each of `says`: what the judge says of an answer that people give 0.5; its top is right."""
    records = [
        replace(
            audited(first + i, at_s=NOW_S + 60.0 * (first + i), tiers=("small", "top")),
            status="certified",
            policy_version=policy,
        )
        for i in range(len(says))
    ]
    connection = opened(folder, *records)
    connection.execute("PRAGMA synchronous = OFF")
    for record, said in zip(records, says, strict=True):
        audit = audits.read_audit(connection, record.id)
        grades = [Grade("small", "judge", judge, said), Grade("top", "judge", judge, 1.0)]
        if people is not None:
            grades += [Grade("small", "gold", "ann", people), Grade("top", "gold", "ann", 1.0)]
        audits.put_grades(connection, audit, grades, now_s=record.at_s, state="graded")
    connection.execute("UPDATE audits SET gold_propensity = ?", (propensity,))
    return connection
