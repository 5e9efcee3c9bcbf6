"""POST /v1/feedback: what became of an answer, perhaps long after."""

from __future__ import annotations

from typing import Annotated

import msgspec

from routenlp.gateway.errors import ApiError
from routenlp.store.sql.records import FeedbackKind, FeedbackRecord

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Text = Annotated[str, msgspec.Meta(max_length=100_000)]
_Score = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Feedback(msgspec.Struct, forbid_unknown_fields=True):
    """What may be said of one answer; at least one of `KINDS`."""

    id: _Id
    score: _Score | None = None
    label: _Text | None = None
    preference: _Id | None = None
    correction: _Text | None = None


_DECODER = msgspec.json.Decoder(Feedback)
KINDS: tuple[FeedbackKind, ...] = ("score", "label", "preference", "correction")


def read_feedback(body: bytes, *, at_s: float, key_id: str | None) -> list[FeedbackRecord]:
    """One record for each thing said; raises `ApiError` 400.

    `id` is the completion's, or the trace's from the header. The same said twice is one record, so a client may
    send again what it is not sure of.
    """
    try:
        said = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ApiError(400, f"The body is no feedback: {exc}", code="invalid_feedback") from exc
    except UnicodeDecodeError as exc:
        raise ApiError(400, "The body is not UTF-8.", code="invalid_feedback") from exc
    found = {kind: getattr(said, kind) for kind in KINDS}
    records = [FeedbackRecord(said.id, at_s, kind, value, key_id) for kind, value in found.items() if value is not None]
    if not records:
        raise ApiError(400, f"Say at least one of {', '.join(KINDS)}.", code="invalid_feedback")
    return records
