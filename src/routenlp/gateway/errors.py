"""Errors as OpenAI's clients expect them, and how an endpoint's failure becomes one."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from routenlp.backends.remote.failures import Kind, UpstreamError


class ApiError(Exception):
    """What the client is told. Holds no key, and nothing of another client's."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """`body`: sent as it is, in place of one made from the rest; `headers`: beside the usual ones."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.body = body or error_body(message, type_, code, param)


def error_body(message: str, type_: str, code: str | None = None, param: str | None = None) -> bytes:
    """`{"error": {...}}` in OpenAI's shape."""
    return msgspec.json.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})


class _Shape(msgspec.Struct):
    error: dict[str, msgspec.Raw]


_SHAPE = msgspec.json.Decoder(_Shape)
_STATUS = {Kind.TIMEOUT: 504, Kind.OPEN: 503}
_NOT_CLIENTS = 502
_OVERLOADED = 529


def from_upstream(error: UpstreamError) -> ApiError:
    """What a client is told when the last tier could not answer.

    A refusal of the request itself is the endpoint's own words; a refusal of our key or address is not, for the
    client can do nothing about it and should learn nothing of it.
    """
    if error.is_the_clients and error.status is not None:
        return ApiError(error.status, error.problem, code="upstream_refused", body=_as_it_is(error.body))
    if error.kind is Kind.UNSAYABLE:
        return ApiError(400, f"The model {error.problem}.", code="upstream_unsayable")
    if error.kind is Kind.TOO_LONG:
        return ApiError(400, f"The model {error.problem}.", param="messages", code="context_length_exceeded")
    headers = {} if error.retry_after_s is None else {"retry-after": f"{error.retry_after_s:g}"}
    if error.status == _OVERLOADED:
        return ApiError(
            503, "The model is overloaded.", type_="upstream_error", code="upstream_overloaded", headers=headers
        )
    if error.status == 429:
        return ApiError(
            429,
            "The model is over its rate limit.",
            type_="rate_limit_error",
            code="upstream_rate_limit",
            headers=headers,
        )
    status = _STATUS.get(error.kind, _NOT_CLIENTS)
    return ApiError(
        status,
        f"The model could not answer: it {error.problem}.",
        type_="upstream_error",
        code=f"upstream_{error.kind}",
    )


def _as_it_is(body: bytes) -> bytes | None:
    try:
        _SHAPE.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return body
