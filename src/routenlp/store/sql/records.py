"""What is put on record for each request, before anything is known of tables.

What is made for every request is a `msgspec.Struct`. A frozen dataclass sets its fields one by one: six times the cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from routenlp.loop.shadow import Shadowed
from routenlp.types import Commit, Trace

NAMED = "the client named the tier"
"""The reason of a route that the client chose, like the next."""
OFF = "the client asked for no routing"
ONE_TIER = "one tier alone is allowed"
"""The reason of a route where there is nothing to choose."""

FeedbackKind = Literal["score", "label", "preference", "correction"]
Streaming = Literal["buffered", "commit"]
TaskSource = Literal["tagged", "classified", "default"]


class StepRecord(msgspec.Struct, frozen=True):
    """One tier's answer, or its failure to give one."""

    tier: str
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float
    latency_s: float
    score: float | None = None
    threshold: float | None = None
    accepted: bool = False
    error: str | None = None
    """Why the tier gave no answer, without anything that a user wrote; None where it answered."""
    cached_tokens: int = 0
    """Of the input tokens, those that the endpoint says its prompt cache gave."""
    commit: Commit | msgspec.UnsetType = msgspec.UNSET
    """What was decided of a stream before its end; not set where nothing was."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was said. Stored only where the settings allow it, and redacted first (`store.content`)."""

    request: object
    """JSON values: `messages`, and what else of the request another tier must be given to answer it."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """By tier."""
    size_bytes: int = 0
    """About how much memory it takes, such as the length of the request's body: what waits is bounded by it."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """By tier, what is known of an answer's tokens, as `backends.kept_tokens` packs it."""


class TraceRecord(msgspec.Struct, frozen=True):
    """Everything about one request but what was said. Fields that are unknown are None, never 0."""

    id: str
    """Best from `new_trace_id`: ids that rise with time are cheap to store."""
    at_s: float
    """When the request came, seconds since 1970."""
    task: str
    policy_version: str
    status: str
    """Of the task's certificate at that time."""
    outcome: str
    """`ok`, or a word for what went wrong."""
    first_tier: str
    tier: str | None
    """Whose answer was returned; None where there was none."""
    steps: tuple[StepRecord, ...]
    cost_usd: float
    latency_s: float
    overhead_s: float | None = None
    """Our own share of the latency."""
    completion_id: str | None = None
    key_id: str | None = None
    reason: str = ""
    """Why this answer, in words."""
    route_reason: str = ""
    """Why this first tier, in words."""
    estimates: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Expected quality by tier, before any answer."""
    propensities: Mapping[str, float] = msgspec.field(default_factory=dict)
    """By tier, of being the first. Empty: not logged, which is never taken as 1."""
    features_hash: str | None = None
    features: bytes | None = None
    """float32, little-endian."""
    top_cost_usd: float | None = None
    """What the top tier alone would have cost, as estimated."""
    audited: bool = False
    audit_propensity: float | None = None
    """How likely this query was to be audited, before the draw; None where nothing was drawn."""
    audit_tiers: tuple[str, ...] = ()
    """Of an audit: those that may be run on it, cheapest first. A wall, as it stood when the query came."""
    group: str | None = None
    """Of an audit: what all requests of its conversation share. A hash that says nothing by itself."""
    task_source: TaskSource | None = None
    """Who named the task: the caller, the classifier, or nobody."""
    task_guess: Mapping[str, object] | None = None
    """What the classifier said, where it was asked: JSON values."""
    first_token_s: float | None = None
    """Of a stream: from the request to the first event that its client was sent."""
    streaming: Streaming | None = None
    """How that stream was served."""
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class FeedbackRecord:
    """What somebody says of an answer, perhaps long after. The same said twice is stored once."""

    about: str
    """A trace's id, or the completion's id that the client saw."""
    at_s: float
    kind: FeedbackKind
    value: object
    """JSON: a number for `score`, a text for `label` and `correction`, the better one's id for `preference`."""
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class ShadowRecord:
    """What a candidate would have done with one request."""

    trace_id: str
    version: str
    at_s: float
    seen: Shadowed


Record = TraceRecord | FeedbackRecord | ShadowRecord


def new_trace_id(now_s: float, entropy: bytes) -> str:
    """32 hexadecimal digits: 12 of milliseconds, so that ids rise with time, and the first 10 bytes of `entropy`.

    `entropy` is the caller's, such as `os.urandom(10)`: chance is an argument.
    """
    return f"{int(now_s * 1000) & 0xFFFFFFFFFFFF:012x}{entropy[:10].hex()}"


def steps_of(trace: Trace) -> tuple[StepRecord, ...]:
    """The record of what the machine did."""
    return tuple(
        StepRecord(
            step.answer.tier,
            step.answer.input_tokens,
            step.answer.output_tokens,
            step.answer.cost_usd,
            step.answer.latency_s,
            step.score,
            step.threshold,
            step.accepted,
            commit=step.commit or msgspec.UNSET,
        )
        for step in trace.steps
    )
