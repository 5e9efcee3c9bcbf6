"""From a course to the record of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from routenlp.gateway.course import Course
from routenlp.gateway.live import Live
from routenlp.gateway.request import ChatRequest
from routenlp.store.sql.keys import KeyRow
from routenlp.store.sql.records import Content, TraceRecord

_ABOUT_US = frozenset({"model", "stream", "stream_options", "user", "metadata", "safety_identifier"})
"""Fields that another tier need not be given to answer the same: how this answer travels, and whom it is for."""


_ABOUT_QUERIES = ("schema", "query_id", "group")
"""Of the metadata: what a student could not answer without, and what a turn of the loop must know a query by."""


def top_cost_usd(course: Course, live: Live) -> float | None:
    """What the last allowed tier would have cost with the tokens of the answer that was returned; None without one.

    An estimate: another model would have written another number of tokens.
    """
    if not course.aim.routed:
        return None
    tokens = next(((s.input_tokens, s.output_tokens) for s in course.steps if s.accepted), None)
    if tokens is None or tokens[0] is None or tokens[1] is None:
        return None
    return live.tiers[course.aim.served.tiers[-1]].tier.price.cost_usd(tokens[0], tokens[1])


def trace_record(
    course: Course,
    live: Live,
    *,
    at_s: float,
    outcome: str,
    completion_id: str | None,
    key: KeyRow | None,
    content: Content | None,
    group: str | None = None,
) -> TraceRecord:
    """What the store keeps of one request."""
    route = course.route
    tier = next((step.tier for step in course.steps if step.accepted), None)
    return TraceRecord(
        id=course.trace_id,
        at_s=at_s,
        task=course.aim.served.task,
        policy_version=live.version,
        status=str(course.aim.served.status),
        outcome=outcome,
        first_tier=course.steps[0].tier if course.steps else course.aim.tiers[-1],
        tier=tier,
        steps=tuple(course.steps),
        cost_usd=course.cost_usd,
        latency_s=course.elapsed_s(),
        overhead_s=course.overhead_s,
        completion_id=completion_id,
        key_id=key.id if key is not None else None,
        reason=course.reason,
        route_reason=course.why_first or course.aim.why,
        estimates={e.tier: e.quality for e in route.estimates} if route is not None else {},
        propensities={p.tier: p.probability for p in route.propensities} if route is not None else {},
        top_cost_usd=top_cost_usd(course, live),
        task_source=course.aim.task_source,
        task_guess=msgspec.to_builtins(course.aim.guess) if course.aim.guess is not None else None,
        audited=course.audited,
        audit_propensity=course.aim.audit_rate or None,
        audit_tiers=course.aim.served.audit_tiers if course.audited else (),
        content=content,
        group=group,
        first_token_s=course.first_token_s,
        streaming=None if course.first_token_s is None else course.streaming,
    )


def group_of(request: ChatRequest, caller: str, key: bytes) -> str:
    """What all requests of a conversation share: a keyed hash of the caller and of what was said first.

    Queries of one conversation share their luck, so it is the unit that calibration counts by. Whoever lacks the key
    cannot find out what was said by trying.
    """
    opening = request.turns[0].text if request.turns else request.text
    said = f"{caller}\0{opening}".encode("utf-8", "replace")
    return hashlib.blake2b(said, digest_size=12, key=key).hexdigest()


def content_of(request: ChatRequest, course: Course, live: Live, streamed: Mapping[str, str]) -> Content | None:
    """What was said; None where the settings let nothing be stored. `streamed`: by tier, the text of streams."""
    kept = live.settings.content.store
    if kept == "none" or (kept == "audits" and not course.audited):
        return None
    answers = {tier: whole.answer.text for tier, whole in course.wholes.items()}
    asked = {name: msgspec.json.decode(raw) for name, raw in request.fields.items() if name not in _ABOUT_US}
    if about := {name: request.metadata[name] for name in _ABOUT_QUERIES if name in request.metadata}:
        asked["metadata"] = about
    return Content(asked, answers | dict(streamed), request.size_bytes, dict(course.tokens))
