"""From audits to what two policies would have done with them: the rows that a trial is judged on.

On an audit every allowed tier was run, so either policy can be run on it again, and the comparison is paired. Students
of the two policies are other models under the same name; they answer the audited query here. What endpoints answered
is taken from the record, with the score that it had then. One grader grades all answers of an audit: the metric
against a person's reference, else the grades of the judge, else the metric against the top tier's answer.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np

from routenlp.backends.openai_compatible.conversation import Message, turns_before_last
from routenlp.backends.student.backend import StudentBackend
from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.contracts import Student
from routenlp.errors import RouteNlpError
from routenlp.grading.metrics import METRICS
from routenlp.loop.compared import NO_SEGMENT, Compared
from routenlp.store.sql import audits
from routenlp.store.sql.audits import Audit
from routenlp.types import Answer, Parts, Query, Route


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two policies, as it serves."""

    policy: Policy
    routed: frozenset[str]
    """Tasks whose certificate is good enough for cheap tiers to serve; of others the top tier answers everything."""
    students: Mapping[str, Mapping[str, Student]]
    """By tier, then task."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One audit under both."""

    task: str
    id: str
    group: str
    current: float
    candidate: float
    top: float
    current_usd: float
    candidate_usd: float
    top_usd: float
    cheap: bool
    segment: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A `Scorer` that knows what endpoints' answers were scored when they were given; students' are scored anew."""

    policy: Policy
    scores: Mapping[str, float | None]

    def score(self, answer: Answer, route: Route | None = None) -> float | None:
        if answer.token_probs is None:
            return self.scores.get(answer.tier)
        return self.policy.scorer.score(answer, route)

    def parts(self) -> Parts:
        return self.policy.scorer.parts()


@dataclass(slots=True, eq=False)
class AuditComparer:
    """Remembers each audit that it has compared: another look costs only what is new. Not for two threads."""

    current: Side
    candidate: Side
    metrics: Mapping[str, str]
    """By task, how its settings say that it is graded."""
    segment_of: Callable[[Query], int] | None = None
    """As the gate's rows were placed; None: audits are in no segment, and none is judged."""
    left_out: int = 0
    """Audits that could not be compared: the top tier's answer, or a grade, is missing, as yet or for good."""
    _rows: dict[str, _Row] = field(default_factory=dict)

    def rows(self, connection: sqlite3.Connection, since_s: float) -> tuple[Compared, ...]:
        """By task, the audits of requests that came since then, in the order in which they came."""
        names = audits.answered_since(connection, since_s)
        for name in names:
            if name not in self._rows and (row := self._compare(connection, audits.read_audit(connection, name))):
                self._rows[name] = row
        found = [self._rows[name] for name in names if name in self._rows]
        self.left_out = len(names) - len(found)
        return tuple(_compared(task, [r for r in found if r.task == task]) for task in sorted({r.task for r in found}))

    def _compare(self, connection: sqlite3.Connection, audit: Audit) -> _Row | None:
        query = query_of(audit)
        top = next((t for t in reversed(self.current.policy.portfolio.names) if t in audit.tiers), None)
        if query is None or top is None or top not in audit.answers:
            return None
        recorded = {a.tier: a for a in audits.answers_of(connection, audit.trace_id) if a.error is None}
        answers = {t: _answer(self.current.policy, t, audit, recorded) for t in audit.tiers if t in audit.answers}
        scores = {tier: answer.score for tier, answer in recorded.items()}
        ended = [_run(side, query, answers, scores, top) for side in (self.current, self.candidate)]
        quality = self._grade(connection, audit, top, [answer.text for answer, _ in ended])
        if quality is None:
            return None
        return _Row(
            audit.task,
            audit.trace_id,
            _group(audit, query),
            quality[0],
            quality[1],
            quality[2],
            ended[0][1],
            ended[1][1],
            answers[top].cost_usd,
            ended[1][0].tier != top,
            self.segment_of(query) if self.segment_of is not None else NO_SEGMENT,
        )

    def _grade(
        self, connection: sqlite3.Connection, audit: Audit, top: str, texts: list[str]
    ) -> tuple[float, float, float] | None:
        """Of what either policy returns and of the top tier's answer; None where no grader knows all three."""
        metric, gold = METRICS.get(self.metrics.get(audit.task, "none")), audits.gold_of(connection, audit.trace_id)
        every = [*texts, audit.answers[top]]
        if metric is not None and gold is not None:
            found = [metric.quality(text, gold) for text in every]
            return found[0], found[1], found[2]
        by_text: dict[str, float] = {}
        for grade in sorted(
            audits.grades_of(connection, audit.trace_id), key=lambda g: -audits.BEST_FIRST.index(g.source)
        ):
            if grade.tier in audit.answers:
                by_text[audit.answers[grade.tier]] = grade.quality
        if all(text in by_text for text in every):
            return by_text[every[0]], by_text[every[1]], by_text[every[2]]
        if metric is None:
            return None
        return metric.quality(texts[0], every[2]), metric.quality(texts[1], every[2]), 1.0


def query_of(audit: Audit) -> Query | None:
    """The audited query as routers and students read it; None where its content is gone."""
    if audit.request is None:
        return None
    try:
        messages = msgspec.convert(audit.request.get("messages", []), list[Message])
    except msgspec.ValidationError:
        return None
    if not messages:
        return None
    metadata = {str(k): str(v) for k, v in (audit.request.get("metadata") or {}).items()}
    return Query(audit.trace_id, audit.task, messages[-1].text, metadata, turns_before_last(messages))


def _run(
    side: Side, query: Query, answers: Mapping[str, Answer], scores: Mapping[str, float | None], top: str
) -> tuple[Answer, float]:
    """What the policy returns, and what every tier on the way cost; a policy that fails is the top tier's answer."""
    if query.task not in side.routed or query.task not in side.policy.tasks:
        return answers[top], answers[top].cost_usd
    policy = replace(side.policy, scorer=_Known(side.policy, scores))
    own = {tier: backend for tier, backend in _backends(side).items() if tier in answers}
    spent, order = 0.0, policy.portfolio.names
    try:
        state: Ask | Done = start(policy, query)
        while isinstance(state, Ask):
            wanted = order.index(state.tier)
            name = next((t for t in order[wanted:] if t in answers), top)
            answer = own[name].answer(query) if name in own else answers[name]
            spent += answer.cost_usd
            if name == top:
                return answer, spent
            state = advance(policy, replace(state, tier=name), answer)
    except RouteNlpError:
        return answers[top], spent + answers[top].cost_usd
    return state.trace.answer, spent


def _backends(side: Side) -> dict[str, StudentBackend]:
    return {
        tier.name: StudentBackend(tier, side.students[tier.name], time.perf_counter)
        for tier in side.policy.portfolio.tiers
        if tier.name in side.students
    }


def _answer(policy: Policy, tier: str, audit: Audit, recorded: Mapping[str, audits.TierAnswer]) -> Answer:
    """With the tokens on record and the price in force: what was served was paid once, and counts here all the same."""
    known = recorded.get(tier)
    read, written = (known.input_tokens or 0, known.output_tokens or 0) if known is not None else (0, 0)
    price = policy.portfolio.tiers[policy.portfolio.position(tier)].price
    latency_s = known.latency_s if known is not None else 0.0
    return Answer(tier, audit.answers[tier], None, read, written, price.cost_usd(read, written), latency_s)


def _group(audit: Audit, query: Query) -> str:
    """A conversation's requests begin with the same message; a query without an earlier one stands for itself."""
    first = next((turn.text for turn in query.turns if turn.role == "user"), None)
    return audit.trace_id if first is None else f"conversation\0{first}"


def _compared(task: str, rows: list[_Row]) -> Compared:
    def column(name: str) -> Any:
        return np.array([getattr(row, name) for row in rows], dtype=np.float64)

    return Compared(
        task,
        tuple(row.id for row in rows),
        tuple(row.group for row in rows),
        column("current"),
        column("candidate"),
        column("top"),
        column("current_usd"),
        column("candidate_usd"),
        column("top_usd"),
        np.array([row.cheap for row in rows], dtype=np.bool_),
        np.array([row.segment for row in rows], dtype=np.int64),
    )
