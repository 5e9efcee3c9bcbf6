"""Server-sent events, cut out of bytes that come in any pieces."""

from __future__ import annotations

MOST_BYTES = 8 << 20
"""Of one event; more without an end is no stream of events."""


class BadEvent(ValueError):
    """An event that cannot be; the text says what is wrong with it, and nothing of what it holds."""


def cut(rest: bytes, data: bytes) -> tuple[list[bytes], bytes]:
    """The events that `data` completes after `rest`, without their blank lines, and what is left for the next call.

    Raises `BadEvent` where an event grows without end.
    """
    joined = rest + data
    if b"\r" in joined:
        joined = joined.replace(b"\r\n", b"\n")
    *whole, left = joined.split(b"\n\n")
    if len(left) > MOST_BYTES:
        raise BadEvent("has an event without end")
    return [event for event in whole if event], left


_LINES = (b"data:", b":", b"event:", b"id:", b"retry:")


def data_of(event: bytes) -> bytes | None:
    """What an event says, its lines of data as one; None where it has none, as a comment. Raises `BadEvent`."""
    if event.startswith(b"data:") and b"\n" not in event:
        return event[5:].strip()
    lines = [line for line in event.split(b"\n") if line]
    if not all(line.startswith(_LINES) for line in lines):
        raise BadEvent("sent something that is no event")
    data = [line[5:].strip() for line in lines if line.startswith(b"data:")]
    return b"\n".join(data) if data else None
