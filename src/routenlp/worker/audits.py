"""Runs every allowed tier on audited queries, beside the traffic and never in its way.

    take ─▶ within the day's budget? ─▶ ask each tier that has no answer yet ─▶ score ─▶ answered
     ▲             │ no: give it back, stop for today         │ fails: later again, at last missing
     └─────────────┘

An answer that was served counts for its tier, unless redaction changed the request: then every tier is asked the
redacted one, or tiers would be compared on different texts. Walls are those of then and of now, whichever is narrower.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from routenlp.backends.remote.failures import paid_usd
from routenlp.errors import BackendError
from routenlp.portfolio.prices import Price
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import audits
from routenlp.store.sql.audits import TRIES, Audit, TierAnswer
from routenlp.types import Answer

PATIENCE_S = 2.0 * 86_400.0
"""An audit that waited longer is missing: what is learned of a query must be about the traffic of now."""
AGAIN_S = 15.0
"""Until a failed audit is tried again: a minute, then four, then sixteen, and so on."""
ASSUMED_TOKENS = 1_024
"""Of an answer, where none was served whose length could be gone by."""
TOO_LONG = "too_long"
"""The kind of error of a query that does not fit a tier: no later try would fare better."""
LEFT_OUT = "[data]"
"""Stands for an image or a file in stored content (`store.content`)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a tier answered."""

    answer: Answer
    model: str | None
    """As the endpoint named it."""
    score: float | None
    """As the policy in force scores it."""
    tokens: str | None = None
    """What a commit rule is proved on (`backends.kept_tokens`), where the task is to commit and the tier gives it."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is stored of it: of one that failed no text."""

    answer: TierAnswer
    text: str | None = None
    tokens: str | None = None


class Tiers(Protocol):
    """The tiers of the portfolio, as an audit asks them."""

    @property
    def prices(self) -> Mapping[str, Price]:
        """By tier."""

    async def ask(self, tier: str, task: str, request: Mapping[str, Any]) -> Asked:
        """A whole answer to these fields of a chat request; raises `BackendError`."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of the audits that were taken."""

    answered: int = 0
    failed: int = 0
    """To be tried again."""
    missing: int = 0
    budget_used_up: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AuditRunner:
    """Of one worker."""

    connection: sqlite3.Connection
    tiers: Tiers
    allowed: Callable[[str], tuple[str, ...]]
    """By task, the tiers that may be run on it now, cheapest first; none for a task that is gone."""
    content: ContentPolicy
    budget_usd: float
    """A day of UTC, judging included."""
    clock: Callable[[], float]
    """Seconds since 1970."""
    name: str

    async def run(self, most: int) -> Ran:
        """Up to `most` audits, one after the other, until nothing waits or the day's budget is used up."""
        now_s = self.clock()
        late = audits.miss_old(self.connection, before_s=now_s - PATIENCE_S, now_s=now_s)
        answered = failed = 0
        missing, used_up = late, False
        for _ in range(most):
            taken = audits.claim(self.connection, "pending", self.name, now_s=self.clock())
            if not taken:
                break
            became = await self._one(taken[0])
            answered += became == "answered"
            failed += became == "failed"
            missing += became == "missing"
            if became == "budget":
                used_up = True
                break
        return Ran(answered, failed, missing, used_up)

    async def _one(self, audit: Audit) -> str:
        why_not = self._unfit(audit)
        if why_not is not None:
            audits.miss(self.connection, audit, why_not, now_s=self.clock())
            return "missing"
        served = {} if audit.redacted else _served(audit)
        known = {a.tier: a for a in audits.answers_of(self.connection, audit.trace_id) if a.error is None}
        to_ask = [tier for tier in self._tiers(audit) if tier not in served and tier not in known]
        spent_usd = audits.spent_usd(self.connection, self.clock())
        # Not skipped for one that fits: cheap queries would be audited more often than dear ones.
        if spent_usd + self._expected_usd(audit, to_ask) > self.budget_usd:
            audits.free(self.connection, audit)
            return "budget"
        found = await asyncio.gather(*(self._ask(tier, audit) for tier in to_ask))
        return self._put_down(audit, [served[t] for t in self._tiers(audit) if t in served], list(found))

    def _tiers(self, audit: Audit) -> tuple[str, ...]:
        allowed = self.allowed(audit.task)
        return tuple(tier for tier in audit.tiers if tier in allowed and tier in self.tiers.prices)

    def _unfit(self, audit: Audit) -> str | None:
        """Why it cannot be run; None where it can."""
        if audit.request is None:
            return "content_gone"
        if _holds(audit.request, LEFT_OUT):
            return "content_left_out"
        return "wall" if len(self._tiers(audit)) < 2 else None

    def _expected_usd(self, audit: Audit, tiers: list[str]) -> float:
        read = max((step["input_tokens"] or 0 for step in audit.steps), default=0)
        read = read or len(str(audit.request)) // 3
        written = max((step["output_tokens"] or 0 for step in audit.steps), default=0) or ASSUMED_TOKENS
        return sum(self.tiers.prices[tier].cost_usd(read, written) for tier in tiers)

    async def _ask(self, tier: str, audit: Audit) -> _Stored:
        assert audit.request is not None  # looked at before
        begun_s = self.clock()
        try:
            asked = await self.tiers.ask(tier, audit.task, audit.request)
        except BackendError as error:
            # Its words may quote the query; the kind of error does not.
            word = str(getattr(error, "kind", type(error).__name__))
            return _Stored(TierAnswer(tier, True, None, None, paid_usd(error), self.clock() - begun_s, error=word))
        answer = asked.answer
        tokens = answer.input_tokens, answer.output_tokens
        paid = answer.cost_usd, answer.latency_s
        return _Stored(TierAnswer(tier, True, *tokens, *paid, asked.score, asked.model), answer.text, asked.tokens)

    def _put_down(self, audit: Audit, served: list[TierAnswer], asked: list[_Stored]) -> str:
        failed = [one.answer for one in asked if one.answer.error is not None]
        state: audits.State = "answered"
        reason = None
        if failed:
            never = any(answer.error == TOO_LONG for answer in failed)
            state = "missing" if never or audit.tries >= TRIES else "pending"
            reason = f"tier_failed: {failed[0].tier} {failed[0].error}"
        texts = {one.answer.tier: one.text for one in asked if one.text is not None}
        tokens = {one.answer.tier: one.tokens for one in asked if one.tokens is not None}
        answers, now_s = [*served, *(one.answer for one in asked)], self.clock()
        audits.put_answers(
            self.connection,
            audit,
            answers,
            texts,
            self.content,
            now_s=now_s,
            state=state,
            reason=reason,
            again_s=now_s + AGAIN_S * 4.0**audit.tries if state == "pending" else None,
            tokens=tokens,
        )
        return "failed" if state == "pending" else state


def _served(audit: Audit) -> dict[str, TierAnswer]:
    """By tier, the answers that the client's request brought, as far as their texts are there."""
    return {
        step["tier"]: TierAnswer(
            step["tier"], False, step["input_tokens"], step["output_tokens"], 0.0, step["latency_s"], step["score"]
        )
        for step in audit.steps
        if step["error"] is None and step["tier"] in audit.answers
    }


def _holds(value: object, text: str) -> bool:
    if isinstance(value, Mapping):
        return any(_holds(inner, text) for inner in value.values())
    if isinstance(value, list):
        return any(_holds(inner, text) for inner in value)
    return value == text
