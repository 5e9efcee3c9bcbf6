"""A task's graded audits as calibration rows: every tier's answer with its grade, of models of now, new to training."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.backends.kept_tokens import unpacked
from routenlp.cascade.policy import Policy
from routenlp.replay.audited import AuditRow
from routenlp.replay.rungs import KeptLadder, fresh
from routenlp.store.sql import audits, statements
from routenlp.store.sql.audits import TierAnswer
from routenlp.store.sql.graded import GradedAudit, Quality, graded_audits
from routenlp.types import Answer
from routenlp.worker.labels import gold_draw
from routenlp.worker.trial_rows import query_of

AWAITS_GOLD = "drawn for gold, and waits for it"


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """In the order in which the queries came."""

    rows: tuple[AuditRow, ...]
    at_s: tuple[float, ...]
    """Of each row; before the pool for one that the detector saw before an alarm that is open."""
    left_out: Mapping[str, int]
    """By reason."""


def gather(
    connection: sqlite3.Connection, policy: Policy, task: str, kept: KeptLadder | None, pool_s: float
) -> Gathered:
    """`pool_s`: since when, to count what is left out; earlier audits are gathered all the same."""
    found = graded_audits(connection, task)
    before = _before_the_alarm(connection, task)
    tiers = policy.tiers_of(task)
    newest = _newest_models(found)
    left_out: Counter[str] = Counter()
    rows: list[AuditRow] = []
    at_s: list[float] = []
    for audit in found:
        why_not = _unfit(audit, tiers, newest)
        if why_not is None:
            row = _row(connection, policy, audit)
            why_not = "content gone" if row is None else None if fresh([row.query.text], kept)[0] else "trained on"
        if why_not is not None or row is None:
            left_out[why_not or "content gone"] += audit.at_s >= pool_s
            continue
        rows.append(row)
        at_s.append(min(audit.at_s, np.nextafter(pool_s, 0.0)) if audit.trace_id in before else audit.at_s)
    return Gathered(tuple(rows), tuple(at_s), {why: n for why, n in left_out.items() if n})


def _before_the_alarm(connection: sqlite3.Connection, task: str) -> frozenset[str]:
    """Audits that the detector saw which raised an alarm that is open, whatever the clock said when they came."""
    return frozenset(name for (name,) in connection.execute(statements.SEEN_BEFORE_ALARM, (task,)))


def _newest_models(found: Sequence[GradedAudit]) -> dict[str, str]:
    """By tier, the model that its last answer named."""
    return {tier: answer.model for audit in found for tier, answer in audit.answers.items() if answer.model is not None}


def _unfit(audit: GradedAudit, tiers: Sequence[str], newest: Mapping[str, str]) -> str | None:
    """Why it cannot calibrate; None where it can."""
    if not set(tiers) <= set(audit.tiers):
        return "walled off from a tier"
    if not audit.whole:
        return "not graded as a whole"
    known = (audit.answers[tier].model for tier in tiers)
    if any(model not in (None, newest.get(tier)) for tier, model in zip(tiers, known, strict=True)):
        return "answered by another model"
    if _of_gold(audit) is None and audit.gold_propensity is None:
        return "judged, and no draw for gold has reached it"
    if _awaits_gold(audit):
        return AWAITS_GOLD
    return None


def _awaits_gold(audit: GradedAudit) -> bool:
    drawn = audit.gold_propensity is not None and gold_draw(audit.trace_id) < audit.gold_propensity
    return drawn and _of_gold(audit) is None


def _row(connection: sqlite3.Connection, policy: Policy, audit: GradedAudit) -> AuditRow | None:
    stored = audits.read_audit(connection, audit.trace_id)
    query = query_of(stored)
    if query is None:
        return None
    tiers = policy.tiers_of(query.task)
    answers = {tier: _answer(policy, tier, stored.answers.get(tier, ""), audit.answers[tier]) for tier in tiers}
    scores = {tier: audit.answers[tier].score for tier in tiers}
    gold = _of_gold(audit)
    judged = _of(audit, lambda quality: quality.judged)
    known = {tier: unpacked(kept, answers[tier].text) for tier, kept in stored.tokens.items() if tier in answers}
    tokens = {tier: its for tier, its in known.items() if its is not None}
    return AuditRow(audit.trace_id, audit.group, query, answers, scores, gold, judged, audit.gold_propensity, tokens)


def _answer(policy: Policy, tier: str, text: str, known: TierAnswer) -> Answer:
    price = policy.portfolio.tiers[policy.portfolio.position(tier)].price
    read, written = known.input_tokens or 0, known.output_tokens or 0
    return Answer(tier, text, None, read, written, price.cost_usd(read, written), known.latency_s)


def _of_gold(audit: GradedAudit) -> dict[str, float] | None:
    return _of(audit, lambda quality: quality.gold)


def _of(audit: GradedAudit, grade: Callable[[Quality], float | None]) -> dict[str, float] | None:
    """By tier; None where some tier has no grade of this source."""
    found = {tier: grade(audit.qualities.get(tier, Quality(None, None))) for tier in audit.tiers}
    known = {tier: quality for tier, quality in found.items() if quality is not None}
    return known if len(known) == len(found) else None
