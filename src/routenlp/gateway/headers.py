"""What every response says about how it came about."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from routenlp.gateway.course import Course
from routenlp.gateway.live import Live
from routenlp.gateway.sending import Headers


def about(course: Course, live: Live, tier: str | None, *, cost_known: bool) -> Headers:
    """`x-routenlp-...`. Of a stream that passes through, the cost is not known yet, and so is not said."""
    tried = course.tried if cost_known or tier is None else (*course.tried, tier)
    headers = [
        (b"x-request-id", course.trace_id.encode()),
        (b"x-routenlp-trace-id", course.trace_id.encode()),
        (b"x-routenlp-task", _plain(course.aim.served.task)),
        (b"x-routenlp-task-source", course.aim.task_source.encode()),
        (b"x-routenlp-steps", b",".join(map(_plain, tried))),
        (b"x-routenlp-policy", live.version.encode()),
        (b"x-routenlp-status", b"stale" if course.aim.served.stale else str(course.aim.served.status).encode()),
        (b"x-routenlp-overhead-ms", b"%.3f" % (course.overhead_s * 1e3)),
    ]
    if tier is not None:
        headers.append((b"x-routenlp-tier", _plain(tier)))
    if cost_known:
        headers.append((b"x-routenlp-cost-usd", b"%.9f" % course.cost_usd))
    return headers


@lru_cache(1_024)
def _plain(name: str) -> bytes:
    """Names are anything; headers are ASCII without commas."""
    return quote(name, safe=" /:@+").encode() if not name.isalnum() or not name.isascii() else name.encode()
