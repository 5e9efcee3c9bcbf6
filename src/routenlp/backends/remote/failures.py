"""What can go wrong at an endpoint, as one error with a kind, and what may follow from each kind."""

from __future__ import annotations

from enum import StrEnum

from routenlp.errors import BackendError


class Kind(StrEnum):
    """Why an endpoint gave no answer."""

    CONNECT = "connect"
    """No connection, or it broke before a byte of the answer came."""
    TIMEOUT = "timeout"
    """The answer, or its first byte, took too long."""
    STATUS = "status"
    """An HTTP status other than 200."""
    GARBAGE = "garbage"
    """Something that is no chat completion: HTML, a redirect, broken JSON, no choice."""
    CUT = "cut"
    """A stream that ended before it was done."""
    OPEN = "open"
    """Every endpoint's breaker is open: none was asked."""
    UNSAYABLE = "unsayable"
    """The request asks for what this tier's API has no words for: it was not asked."""
    TOO_LONG = "too_long"
    """The query does not fit the tier's context: it was not asked, or it said so."""


class UpstreamError(BackendError):
    """An endpoint could not answer. Its message holds no key and no part of the query."""

    def __init__(
        self,
        tier: str,
        kind: Kind,
        problem: str,
        *,
        status: int | None = None,
        body: bytes = b"",
        retry_after_s: float | None = None,
        remedy: str = "See the endpoint's own log.",
    ) -> None:
        """`status`, `body`, `retry_after_s`: of an answer that was an error. `remedy`: for the log, not for clients."""
        super().__init__(f"tier {tier!r}", problem, remedy)
        self.tier = tier
        self.kind = kind
        self.status = status
        self.body = body
        self.retry_after_s = retry_after_s

    @property
    def is_the_clients(self) -> bool:
        """Whether the request itself was refused, so that a retry would be refused too."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _PASSING | _OURS

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed when it is sent again."""
        if self.kind is Kind.STATUS:
            return self.status is not None and (self.status in _PASSING or self.status >= 500)
        return self.kind is Kind.CONNECT

    @property
    def counts_against(self) -> bool:
        """Whether the endpoint is less to be trusted after it; a refusal or a full queue says nothing about health."""
        if self.kind is Kind.STATUS:
            return self.status is not None and self.status >= 500
        return self.kind not in (Kind.OPEN, Kind.UNSAYABLE, Kind.TOO_LONG)

    @property
    def is_no_trouble(self) -> bool:
        """Whether the next tier is asked as a matter of course."""
        return self.kind in (Kind.UNSAYABLE, Kind.TOO_LONG)


def leave_unanswered(error: BaseException) -> None:
    """Says of an error, or a cancellation, that an endpoint had got the request, and its answer was not waited for."""
    error.__dict__["is_unanswered"] = True


def is_unanswered(error: BaseException | None) -> bool:
    """What `leave_unanswered` says: the endpoint does the work, and bills it. A request refused or not sent is free."""
    return error is not None and "is_unanswered" in error.__dict__


def charge(error: BaseException, usd: float) -> None:
    """Puts on an error, or a cancellation, what is billed for all the calls that led to it."""
    error.__dict__["paid_usd"] = usd


def paid_usd(error: BaseException | None) -> float:
    """What `charge` put there."""
    return float(error.__dict__.get("paid_usd", 0.0)) if error is not None else 0.0


def names_overflow(status: int, body: bytes) -> bool:
    """Whether a refusal says that the request is longer than the model's context; each API has its own words."""
    return status in _REFUSALS and any(words in body.lower() for words in _OVERFLOW)


_REFUSALS = frozenset({400, 413, 422, 500})
_OVERFLOW = (
    b"context_length_exceeded",
    b"exceed_context_size",
    b"maximum context length",
    b"available context size",
    b"exceeds the context window",
    b"prompt is too long",
    b"exceeds the maximum number of tokens",
)
"""OpenAI, llama.cpp, vLLM and Mistral, older llama.cpp, OpenAI's newer models, Anthropic, Gemini."""
_PASSING = frozenset({408, 409, 429})
"""Statuses under 500 after which a retry may succeed."""
_OURS = frozenset({401, 402, 403, 404, 405})
"""Statuses that we are to blame for (key, credit, model, address), not the client."""
