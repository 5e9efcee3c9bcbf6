"""What has happened to one request so far; in the end it becomes the record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from msgspec.structs import replace

from routenlp.backends.openai_compatible.completion import Usage
from routenlp.backends.remote.failures import UpstreamError, paid_usd
from routenlp.gateway.aim import Aim
from routenlp.gateway.tiers import Whole
from routenlp.portfolio.tiers import Tier
from routenlp.store.sql.records import StepRecord, Streaming
from routenlp.types import Route, Step

Why = Literal["rule", "failed", "late", "wall", "failsafe", "commit", "abort"]


@dataclass(frozen=True, slots=True)
class Escalation:
    """One move to a dearer tier."""

    from_tier: str
    to_tier: str
    reason: Why


@dataclass(slots=True, eq=False)
class Course:
    """Filled while a request is served, by one task alone."""

    trace_id: str
    aim: Aim
    begun_s: float
    """Of `clock`."""
    clock: Callable[[], float]
    audited: bool = False
    """Drawn before anything was asked: every allowed tier is to be run on this query, later and elsewhere."""
    steps: list[StepRecord] = field(default_factory=list)
    wholes: dict[str, Whole] = field(default_factory=dict)
    escalations: list[Escalation] = field(default_factory=list)
    failsafe: list[str] = field(default_factory=list)
    """Parts of ours that failed, so that the last tier answers."""
    route: Route | None = None
    why_first: str = ""
    """Why the first tier was asked, in words; empty where nothing was routed."""
    reason: str = ""
    upstream_s: float = 0.0
    """Time that tiers took."""
    commits: bool = False
    """Whether cheap tiers are asked for streams that are released at a commit point."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Of an audited request, by tier, what a commit rule is proved on (`backends.kept_tokens`)."""
    first_token_s: float | None = None
    """Until the first event of a stream was sent; None where none was."""

    def elapsed_s(self) -> float:
        """Since the request began."""
        return self.clock() - self.begun_s

    @property
    def overhead_s(self) -> float:
        """Our own share of the time so far."""
        return max(self.elapsed_s() - self.upstream_s, 0.0)

    @property
    def cost_usd(self) -> float:
        """Of all steps so far."""
        return sum(step.cost_usd for step in self.steps)

    @property
    def streaming(self) -> Streaming:
        """The mode that streams of this request are served in."""
        return "commit" if self.commits else "buffered"

    @property
    def tried(self) -> tuple[str, ...]:
        """Tiers asked, in order."""
        return tuple(step.tier for step in self.steps)

    def answered(self, whole: Whole) -> None:
        """A tier gave a whole answer."""
        answer = whole.answer
        self.upstream_s += answer.latency_s
        self.wholes[answer.tier] = whole
        if self.keeps(answer.tier):
            self.keep(answer.tier, whole.kept_tokens())
        usage = whole.completion.usage
        self.steps.append(
            StepRecord(
                answer.tier,
                answer.input_tokens,
                answer.output_tokens,
                answer.cost_usd,
                answer.latency_s,
                cached_tokens=usage.cached.read if usage is not None else 0,
            )
        )

    def keeps(self, tier: str) -> bool:
        """Whether what is known of the tokens of its answer goes on record."""
        return self.audited and tier in self.aim.served.keeps

    def keep(self, tier: str, tokens: str | None) -> None:
        """Of an answer that is whole; None where nothing is known of its tokens."""
        if tokens is not None:
            self.tokens[tier] = tokens

    def streamed(self, tier: Tier, usage: Usage, latency_s: float, error: str | None, *, accepted: bool = True) -> None:
        """A tier gave a stream, or as much of one as came."""
        cost_usd = usage.cost_usd(tier.price)
        record = StepRecord(tier.name, usage.input_tokens, usage.output_tokens, cost_usd, latency_s)
        accepted = accepted and error is None
        self.steps.append(replace(record, accepted=accepted, error=error, cached_tokens=usage.cached.read))

    def begun_to_stream(self) -> None:
        """The client is sent the first event now."""
        self.first_token_s = self.elapsed_s()

    def failed(self, tier: str, error: UpstreamError, latency_s: float) -> None:
        """A tier gave no answer. A refusal is free; a call that was not waited for any longer costs what was sent, and
        calls that it did answer, where it reads a query in parts, were paid. Tokens are None: it reported none."""
        self.upstream_s += latency_s
        word = str(error.kind) if error.status is None else f"{error.kind} {error.status}"
        self.steps.append(StepRecord(tier, None, None, paid_usd(error), latency_s, error=word))

    def left(self, tier: str, error: asyncio.CancelledError, latency_s: float) -> None:
        """The client left while a tier was asked. A call that it had got costs what it does in `failed`."""
        if paid := paid_usd(error):
            self.steps.append(StepRecord(tier, None, None, paid, latency_s, error="client_left"))

    def scored(self, step: Step) -> None:
        """The last answer has a score."""
        given = replace(self.steps[-1], score=step.score, threshold=step.threshold)
        self.steps[-1] = given if step.commit is None else replace(given, commit=step.commit)

    def accepted(self, tier: str, reason: str) -> Whole:
        """The answer of `tier` is the one returned."""
        self.chosen(tier, reason)
        return self.wholes[tier]

    def chosen(self, tier: str, reason: str) -> None:
        """The same, of an answer that is a stream."""
        self.reason = reason
        self.steps = [replace(s, accepted=True) if s.tier == tier and s.error is None else s for s in self.steps]
