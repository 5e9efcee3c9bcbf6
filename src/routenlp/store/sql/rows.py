"""From records to rows. Raises `ValueError`, `TypeError` or `OverflowError` for a record that cannot be stored."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from routenlp.store.content import ContentPolicy
from routenlp.store.sql.money import nanos
from routenlp.store.sql.records import FeedbackRecord, Record, ShadowRecord, TraceRecord

Row = tuple[str | float | int | bytes | None, ...]
_STORABLE = frozenset({str, float, int, bytes, type(None)})
_encoder = msgspec.json.Encoder()
NOT_KEPT = "content_not_kept"
"""Why an audit is missing from the start."""


def rows_of(record: Record, policy: ContentPolicy) -> list[tuple[str, Row]]:
    """The rows that `record` makes, each with its table; content only as far as `policy` lets it, and redacted."""
    if isinstance(record, FeedbackRecord):
        return [("feedback", _checked(_feedback_row(record, policy)))]
    if isinstance(record, ShadowRecord):
        return [("shadowed", _checked(_shadow_row(record)))]
    rows = [("traces", _checked(_trace_row(record)))]
    kept = record.content is not None and policy.keeps(audited=record.audited)
    if record.content is not None and kept:
        request = policy.clean(record.content.request)
        body = {"request": request, **policy.cleaned_answers(record.content.answers, record.content.tokens)}
        if request != record.content.request:
            body["redacted"] = True
        rows.append(("content", (_plain(record.id), record.at_s, _json(body))))
    if record.audited:
        rows.append(("audits", _checked(_audit_row(record, kept=kept))))
    return rows


def _checked(row: Row) -> Row:
    if not _STORABLE.issuperset(map(type, row)):
        raise TypeError("a value that SQLite has no type for")
    return row


def _trace_row(t: TraceRecord) -> Row:
    return (
        _plain(t.id),
        t.at_s,
        _plain_or_none(t.completion_id),
        _plain(t.task),
        _plain_or_none(t.key_id),
        _plain(t.policy_version),
        _plain(t.status),
        _plain(t.outcome),
        _plain(t.first_tier),
        _plain_or_none(t.tier),
        len(t.steps),
        nanos(t.cost_usd),
        None if t.top_cost_usd is None else nanos(t.top_cost_usd),
        t.latency_s,
        t.overhead_s,
        int(t.audited),
        t.audit_propensity,
        t.features,
        _json(_detail(t)),
        t.task_source,
    )


def _audit_row(t: TraceRecord, *, kept: bool) -> Row:
    """To be run by a worker; missing from the start where its content could not be kept."""
    if t.audit_propensity is None:
        raise ValueError("an audit without the probability of its draw says nothing")
    state, reason = ("pending", None) if kept else ("missing", NOT_KEPT)
    tiers = _json(t.audit_tiers)
    return (
        _plain(t.id),
        t.at_s,
        _plain(t.task),
        _plain(t.policy_version),
        t.audit_propensity,
        tiers,
        state,
        reason,
        t.at_s,
    )


def _detail(t: TraceRecord) -> Mapping[str, object]:
    """What is read only by trace, never searched."""
    return {
        "steps": t.steps,
        "reason": t.reason,
        "route_reason": t.route_reason,
        "estimates": t.estimates,
        "propensities": t.propensities,
        "features_hash": t.features_hash,
        **({"streaming": t.streaming, "first_token_s": t.first_token_s} if t.first_token_s is not None else {}),
        **({"group": t.group} if t.group is not None else {}),
        **({"task_guess": t.task_guess} if t.task_guess is not None else {}),
    }


def _feedback_row(f: FeedbackRecord, policy: ContentPolicy) -> Row:
    # Sent to be kept, so it is, whatever is kept of conversations; but redacted like them.
    value = _json(policy.clean(f.value))
    said = "\0".join([f.about, f.key_id or "", f.kind, value]).encode("utf-8", "replace")
    return (
        hashlib.sha256(said).hexdigest(),
        _plain(f.about),
        f.at_s,
        _plain_or_none(f.key_id),
        f.kind,
        value,
    )


def _shadow_row(s: ShadowRecord) -> Row:
    seen = s.seen
    return (
        _plain(s.trace_id),
        s.version,
        s.at_s,
        _plain(seen.task),
        _plain(seen.served_tier),
        nanos(seen.served_usd),
        _plain_or_none(seen.tier),
        None if seen.usd is None else nanos(seen.usd),
        None if seen.same is None else int(seen.same),
        int(seen.top),
    )


def _json(value: object) -> str:
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        # A lone surrogate somewhere: legal in Python's texts and in JSON, not in UTF-8.
        return _encoder.encode(_mended(msgspec.to_builtins(value))).decode()


def _mended(value: object) -> object:
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, Mapping):
        return {_mended(key): _mended(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(inner) for inner in value]
    return value


def _plain(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _plain_or_none(text: str | None) -> str | None:
    return None if text is None else _plain(text)
