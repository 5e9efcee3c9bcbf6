"""From audits to what two policies would have done with them: the rows that a trial is judged on.

On an audit every allowed tier was run, so either policy can be run on it again, and the comparison is paired. Students
of the two policies are other models under the same name; they answer the audited query here. What endpoints answered
is taken from the record, with the score that it had then.

One grader grades all answers of an audit: people (the metric against their reference, or their own grades), else the
judge, else the metric against the top tier's answer. Where people have graded a random part of a task's audits, that
part alone is compared: its mean is right whatever the judge is worth, and a test of every audit, with the judge
corrected by that part (`conformal.predictions`), would need more of them, for its values lie in a wider range.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

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
from routenlp.store.sql import audits, statements
from routenlp.store.sql.audits import Audit
from routenlp.types import Answer, Parts, Query, Route
from routenlp.worker.labels import gold_draw


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two policies, as it serves."""

    policy: Policy
    routed: frozenset[str]
    """Tasks whose certificate is good enough for cheap tiers to serve; of others the top tier answers everything."""
    students: Mapping[str, Mapping[str, Student]]
    """By tier, then task."""


Grader = Literal["people", "judge", "top tier"]
"""Of a comparison; `top tier`: the metric against its answer."""


@dataclass(frozen=True, slots=True)
class _Ran:
    """One audit under both."""

    audit: Audit
    group: str
    texts: tuple[str, str, str]
    """What the policy in force, the candidate, and the top tier return."""
    current_usd: float
    candidate_usd: float
    top_usd: float
    cheap: bool
    segment: int


@dataclass(frozen=True, slots=True)
class _Graded:
    """All three answers, by one grader."""

    by: Grader
    current: float
    candidate: float
    top: float


@dataclass(frozen=True, slots=True)
class _Row:
    """One audit as it is compared."""

    ran: _Ran
    graded: _Graded


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
    graded_by: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By task, how many of the audits that are compared were graded by whom."""
    set_aside: int = 0
    """Audits that people have not graded, of tasks that are compared on those that they have."""
    _ran: dict[str, _Ran] = field(default_factory=dict)

    def rows(self, connection: sqlite3.Connection, since_s: float) -> tuple[Compared, ...]:
        """By task, the audits of requests that came since then, in the order in which they came."""
        names = audits.answered_since(connection, since_s)
        for name in names:
            if name not in self._ran and (ran := self._run(connection, audits.read_audit(connection, name))):
                self._ran[name] = ran
        found: dict[str, list[_Row]] = defaultdict(list)
        aside = 0
        for task, its in self._by_task(names).items():
            people = _drawn(connection, task, its)
            by_people = [row for one in people if (row := self._grade(connection, one, ("people",)))]
            # Those that people could not grade whole are not a random part: then they tell nothing by themselves.
            alone = bool(people) and len(by_people) == len(people)
            every = [row for one in its if (row := self._grade(connection, one, _BEST_FIRST))]
            found[task] = by_people if alone else every
            aside += len(every) - len(found[task])
        counts = sum(map(len, found.values()))
        self.set_aside, self.left_out = aside, len(names) - counts - aside
        self.graded_by = {task: dict(Counter(row.graded.by for row in rows)) for task, rows in found.items() if rows}
        return tuple(_compared(task, found[task]) for task in sorted(found) if found[task])

    def _by_task(self, names: Sequence[str]) -> dict[str, list[_Ran]]:
        by_task: dict[str, list[_Ran]] = defaultdict(list)
        for name in names:
            if name in self._ran:
                by_task[self._ran[name].audit.task].append(self._ran[name])
        return by_task

    def _run(self, connection: sqlite3.Connection, audit: Audit) -> _Ran | None:
        query = query_of(audit)
        top = next((t for t in reversed(self.current.policy.portfolio.names) if t in audit.tiers), None)
        if query is None or top is None or top not in audit.answers:
            return None
        recorded = {a.tier: a for a in audits.answers_of(connection, audit.trace_id) if a.error is None}
        answers = {t: _answer(self.current.policy, t, audit, recorded) for t in audit.tiers if t in audit.answers}
        scores = {tier: answer.score for tier, answer in recorded.items()}
        ended = [_end(side, query, answers, scores, top) for side in (self.current, self.candidate)]
        return _Ran(
            audit,
            _group(audit, query),
            (ended[0][0].text, ended[1][0].text, audit.answers[top]),
            ended[0][1],
            ended[1][1],
            answers[top].cost_usd,
            ended[1][0].tier != top,
            self.segment_of(query) if self.segment_of is not None else NO_SEGMENT,
        )

    def _grade(self, connection: sqlite3.Connection, ran: _Ran, graders: Sequence[Grader]) -> _Row | None:
        """By the first of `graders` that knows all three answers; None where none does."""
        for by in graders:
            found = self._qualities(connection, ran, by)
            if found is not None:
                return _Row(ran, _Graded(by, *found))
        return None

    def _qualities(self, connection: sqlite3.Connection, ran: _Ran, by: Grader) -> tuple[float, float, float] | None:
        metric, name = METRICS.get(self.metrics.get(ran.audit.task, "none")), ran.audit.trace_id
        reference = {"people": audits.gold_of(connection, name), "top tier": ran.texts[2]}.get(by)
        if metric is not None and reference is not None:
            current, candidate, top = (metric.quality(text, reference) for text in ran.texts)
            return current, candidate, 1.0 if by == "top tier" else top
        if by == "top tier":
            return None
        of_grades = [g for g in audits.grades_of(connection, name) if (g.source == "judge") == (by == "judge")]
        best_last = sorted(of_grades, key=lambda grade: -audits.BEST_FIRST.index(grade.source))
        by_text = {ran.audit.answers[g.tier]: g.quality for g in best_last if g.tier in ran.audit.answers}
        if not all(text in by_text for text in ran.texts):
            return None
        current, candidate, top = (by_text[text] for text in ran.texts)
        return current, candidate, top


_BEST_FIRST: tuple[Grader, ...] = ("people", "judge", "top tier")


def _drawn(connection: sqlite3.Connection, task: str, ran: Sequence[_Ran]) -> list[_Ran]:
    """Those that people graded, without any that were chosen by somebody and not by a draw."""
    shares = dict(connection.execute(statements.GOLD_SHARES, (task,)).fetchall())
    by_chance = [one for one in ran if gold_draw(one.audit.trace_id) < shares.get(one.audit.trace_id, 1.0)]
    return [one for one in by_chance if audits.people_graded(connection, one.audit.trace_id)]


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


def _end(
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
        whose = "graded" if name in ("current", "candidate", "top") else "ran"
        return np.array([getattr(getattr(row, whose), name) for row in rows], dtype=np.float64)

    return Compared(
        task,
        tuple(row.ran.audit.trace_id for row in rows),
        tuple(row.ran.group for row in rows),
        column("current"),
        column("candidate"),
        column("top"),
        column("current_usd"),
        column("candidate_usd"),
        column("top_usd"),
        np.array([row.ran.cheap for row in rows], dtype=np.bool_),
        np.array([row.ran.segment for row in rows], dtype=np.int64),
    )
