"""A store as weeks of traffic leave it: audits run and graded, an alarm, a calibration, what the client steered."""

from __future__ import annotations

import random
from pathlib import Path

from msgspec.structs import replace
from tests.gateway import running
from tests.unit.worker.made import audited

from routenlp import wiring
from routenlp.drift.recalibration import Trigger
from routenlp.settings import load
from routenlp.store.content import ContentPolicy
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import audits, monitoring
from routenlp.store.sql.audits import Grade, TierAnswer
from routenlp.store.sql.database import open_store
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.records import NAMED, OFF, FeedbackRecord, StepRecord, TraceRecord
from routenlp.store.sql.writer import RecordWriter
from routenlp.worker.recalibration import Reason, Recalibrator

BEGAN_S = 1_790_812_800.0
"""1 October 2026, midnight UTC."""
DAY_S = 86_400.0
CONTENT = ContentPolicy("audits")
USD = {"small": 0.001, "mid": 0.01, "top": 0.1}


def made_store(folder: Path, *, days: int, a_day: int, rate: float) -> Path:
    """The settings file of a store whose task `intent` has an alarm a third through, and is calibrated after it."""
    file = folder / "routenlp.yaml"
    file.write_text(_settings(folder))
    version = wiring.serving_policy(load(file, {}, default="")).policy.version
    rng = random.Random(3)
    alarm_s = BEGAN_S + days // 3 * DAY_S
    records = [_record(i, rng, version, rate, alarm_s) for i in range(days * a_day)]
    records = [replace(r, at_s=BEGAN_S + i / a_day * DAY_S, id=_name(i, a_day)) for i, r in enumerate(records)]
    _write(folder / "s.db", records)
    connection = open_store(folder / "s.db")
    connection.execute("PRAGMA synchronous = OFF")
    for record in records:
        if record.audited:
            _grade(connection, record, rng)
    evidence = {"kind": "alarm", "guarantee": "quality_ratio", "target": 0.2, "audits_seen": 60, "level": 1.2}
    monitoring.raise_alarm(connection, Alarm("intent", alarm_s, version, evidence))
    end_s = BEGAN_S + days * DAY_S - 60.0
    versions = PolicyVersions(folder / "s.db", connection)
    again = Recalibrator(load(file, {}, default=""), folder / "s.db", versions, connection, lambda: end_s)
    for task in ("intent", "quick"):
        again.attempt(Reason(task, Trigger.ALARM))
    connection.close()
    return file


def _settings(folder: Path) -> str:
    policy = running.write_policy(folder / "system")
    more = f"store: {{url: 'sqlite:///{folder}/s.db'}}\ncontent: {{store: audits}}\naudit: {{rate: 0.1}}"
    text = running.settings("http://127.0.0.1:1/v1", policy, more=more)
    return text.replace("intent: {metric: accuracy}", "intent: {metric: accuracy, eps: 0.2}")


def _name(i: int, a_day: int) -> str:
    return f"{int((BEGAN_S + i / a_day * DAY_S) * 1000):012x}{i * 0x9E3779B97F4A7C15 % 2**80:020x}"


def _record(i: int, rng: random.Random, version: str, rate: float, alarm_s: float) -> TraceRecord:
    task = rng.choices(("intent", "private", "quick", "default"), (6, 3, 2, 1))[0]
    tiers = {"private": ("small", "mid")}.get(task, ("small", "mid", "top"))
    served = tiers[-1] if task == "default" else rng.choices(tiers, (6, 1, 2)[: len(tiers)])[0]
    steps = tuple(StepRecord(t, 100, 10, USD[t], 0.2, accepted=t == served) for t in tiers[: tiers.index(served) + 1])
    content = {"messages": [{"role": "user", "content": f"query {i}"}]}
    one = replace(
        audited(i, request=content, served=served, tiers=tiers, entropy=bytes(10)),
        task=task,
        policy_version=version,
        steps=steps if task != "default" else steps[-1:],
        cost_usd=sum(s.cost_usd for s in (steps if task != "default" else steps[-1:])),
        audited=rng.random() < rate,
        audit_propensity=rate,
        top_cost_usd=None if task == "default" else 0.8 * USD[tiers[-1]] if served != tiers[-1] else USD[tiers[-1]],
        route_reason="task default is certified" if task == "default" else "cheapest of those as good",
        group=f"g{i // 2}",
    )
    steered = {0: NAMED, 1: OFF}.get(i % 40)
    if steered is None:
        return one
    return replace(one, audited=False, audit_propensity=None, top_cost_usd=None, route_reason=steered)


def _write(store: Path, records: list[TraceRecord]) -> None:
    writer = RecordWriter(open_store(store), content=CONTENT, clock=lambda: BEGAN_S, capacity=100_000)
    assert all(writer.put(record) for record in records)
    assert writer.put(FeedbackRecord(records[0].id, BEGAN_S + 1.0, "score", 0.5))
    assert writer.close(30)


def _grade(connection, record: TraceRecord, rng: random.Random) -> None:
    """Every tier's answer; a person's grade but for some of `private`, and some audits are never run."""
    audit = audits.read_audit(connection, record.id)
    if rng.random() < 0.03:
        audits.miss(connection, audit, "tier_failed: top connect", now_s=record.at_s)
        return
    known = {step.tier for step in record.steps}
    answers = [
        TierAnswer(tier, tier not in known, 100, 10, USD[tier] if tier not in known else 0.0, 0.2, score=0.1)
        for tier in audit.tiers
    ]
    texts = {tier: f"said by {tier}" for tier in audit.tiers}
    audits.put_answers(connection, audit, answers, texts, CONTENT, now_s=record.at_s + 60.0, state="answered")
    judge = record.task == "private"
    right = {"small": 0.93, "mid": 0.96, "top": 0.99}
    grades = [Grade(t, "judge" if judge else "gold", "g", float(rng.random() < right[t])) for t in audit.tiers]
    paid = (2, 0.004) if judge else (0, 0.0)
    audits.put_grades(
        connection, audit, grades, now_s=record.at_s + 90.0, state="graded", calls=paid[0], cost_usd=paid[1]
    )
