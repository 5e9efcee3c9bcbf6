"""One tier's endpoints over HTTP: balanced, retried, broken off in time. aiohttp's errors become `UpstreamError` here.

    complete ─▶ choose an endpoint ─▶ POST ─▶ a whole answer
                   ▲                    │
                   └── wait, with jitter ◀── no connection, 429, 5xx
    open      the same, up to the first bytes of a stream; from there on nothing is tried again

A caller that is cancelled closes its connection, which is how an endpoint learns that nobody waits any more. Where it
had got the request by then, the cancellation says so, as does a time-out (`failures.is_unanswered`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import aiohttp

from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.dialect import Dialect
from routenlp.backends.remote.endpoints import Endpoint, choose
from routenlp.backends.remote.exchange import FAILURES, Address, Reply
from routenlp.backends.remote.failures import Kind, UpstreamError, is_unanswered, leave_unanswered, names_overflow
from routenlp.backends.remote.retry import FIRST_S, delay_s, retry_after_s

T = TypeVar("T")
MOST_BYTES = 64 << 20
"""Of an answer. One that is longer is none."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an endpoint may take, in seconds, and how often it is tried again."""

    connect_s: float
    first_token_s: float
    total_s: float
    retries: int


class ByteStream(Protocol):
    """A stream whose first bytes are there, as an endpoint sends it or translated. Must be closed."""

    @property
    def first(self) -> bytes:
        """May be empty, where a translation needs more to begin."""

    def rest(self) -> AsyncIterator[bytes]:
        """What follows `first`; raises `UpstreamError`."""

    def close(self) -> None:
        """Safe to call twice."""


class OpenStream:
    """A stream whose first bytes are there. Must be closed, which hands its connection back or breaks it off."""

    __slots__ = ("_idle_s", "_release", "_response", "first")

    def __init__(self, response: Reply, first: bytes, idle_s: float, release: Callable[[], None]) -> None:
        self.first = first
        self._response = response
        self._idle_s = idle_s
        self._release = release

    async def rest(self) -> AsyncIterator[bytes]:
        """What follows `first`, as it comes; raises `UpstreamError` where it breaks off or stands still."""
        content = self._response.content
        try:
            while True:
                async with asyncio.timeout(self._idle_s):
                    data = await content.readany()
                if not data:
                    return
                yield data
        except TimeoutError as exc:
            raise UpstreamError("", Kind.TIMEOUT, f"sent nothing for {self._idle_s:g} s") from exc
        except FAILURES as exc:
            raise UpstreamError("", Kind.CUT, "broke off its stream") from exc

    def close(self) -> None:
        """Safe to call twice."""
        self._response.release()
        release, self._release = self._release, lambda: None
        release()


class Upstream:
    """The endpoints of one tier. Belongs to the event loop in which `session` was made."""

    def __init__(
        self,
        tier: str,
        urls: Sequence[str],
        dialect: Dialect,
        limits: Limits,
        session: aiohttp.ClientSession,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """`urls`: with their /v1. `clock`: seconds that do not go back. `chance`: a draw from [0, 1) for jitter."""
        self.tier = tier
        self.endpoints = tuple(Endpoint(url.rstrip("/") + dialect.path) for url in urls)
        self._limits = limits
        self._clock = clock
        self._chance = chance
        self._secret = dialect.secret.encode() if dialect.secret else b""
        self._addresses = {
            endpoint.url: Address(endpoint.url, dialect.headers, session, limits.connect_s)
            for endpoint in self.endpoints
        }

    @property
    def state(self) -> State:
        """Of the breaker that is least open."""
        now_s = self._clock()
        return min(endpoint.breaker.state(now_s) for endpoint in self.endpoints)

    @property
    def total_s(self) -> float:
        """How long an answer may take."""
        return self._limits.total_s

    async def complete(self, body: bytes, *, limit_s: float | None = None, last_resort: bool = False) -> bytes:
        """The whole answer to `body`, within `limit_s` and the tier's own limit; raises `UpstreamError`."""
        total_s = min(self._limits.total_s, limit_s if limit_s is not None else self._limits.total_s)

        async def send(endpoint: Endpoint) -> bytes:
            response = await self._post(endpoint, body)
            try:
                return await self._whole(response)
            except asyncio.CancelledError as error:
                leave_unanswered(error)
                raise
            finally:
                response.release()

        return await self._in_time(self._tries(send, last_resort, self._clock() + total_s), total_s)

    async def open(self, body: bytes, *, last_resort: bool = False) -> OpenStream:
        """A stream with its first bytes; raises `UpstreamError`. The caller closes it."""

        async def send(endpoint: Endpoint) -> OpenStream:
            response = await self._post(endpoint, body)
            try:
                if response.content_type != "text/event-stream":
                    raise self._error(Kind.GARBAGE, f"answered a stream with {response.content_type!r}")
                first = await response.content.readany()
                if not first:
                    raise self._error(Kind.CUT, "sent an empty stream")
            except BaseException as error:
                response.close()
                if isinstance(error, asyncio.CancelledError):
                    leave_unanswered(error)
                raise
            endpoint.outstanding += 1
            return OpenStream(response, first, self._limits.first_token_s, lambda: _leave(endpoint))

        limit_s = self._limits.first_token_s
        return await self._in_time(self._tries(send, last_resort, self._clock() + limit_s), limit_s)

    async def _in_time(self, work: Awaitable[T], limit_s: float) -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except TimeoutError as exc:
            error = self._error(Kind.TIMEOUT, f"gave no answer within {limit_s:.3g} s")
            if is_unanswered(exc.__context__):  # the cancellation that the time's end came as
                leave_unanswered(error)
            raise error from exc

    async def _tries(self, send: Callable[[Endpoint], Awaitable[T]], last_resort: bool, until_s: float) -> T:
        failed: Endpoint | None = None
        for attempt in range(self._limits.retries + 1):
            endpoint = choose(self.endpoints, self._clock(), avoid=failed, last_resort=last_resort)
            if endpoint is None:
                raise self._error(Kind.OPEN, "failed too often of late and is left alone for a while")
            try:
                return await self._watched(endpoint, send)
            except UpstreamError as error:
                wait_s = delay_s(attempt, error.retry_after_s, self._chance()) if error.may_pass else None
                if len(self.endpoints) > 1 and error.may_pass:
                    wait_s = min(wait_s or 0.0, FIRST_S)  # another endpoint need not be waited for
                if wait_s is None or attempt == self._limits.retries or self._clock() + wait_s >= until_s:
                    raise
                failed = endpoint
            await asyncio.sleep(wait_s)
        raise AssertionError  # the last try returns or raises

    async def _watched(self, endpoint: Endpoint, send: Callable[[Endpoint], Awaitable[T]]) -> T:
        """One try, counted and seen by the breaker; being broken off for lateness counts as a failure too."""
        endpoint.outstanding += 1
        endpoint.breaker.began(self._clock())
        begun_s = self._clock()
        try:
            answer = await send(endpoint)
        except UpstreamError as error:
            if error.counts_against:
                endpoint.breaker.failed(self._clock())
            else:
                endpoint.breaker.succeeded()
            raise
        except asyncio.CancelledError:
            if self._clock() - begun_s >= min(self._limits.first_token_s, self._limits.total_s) - 0.05:
                endpoint.breaker.failed(self._clock())
            raise
        finally:
            endpoint.outstanding -= 1
        endpoint.breaker.succeeded()
        return answer

    async def _post(self, endpoint: Endpoint, body: bytes) -> Reply:
        """The response of status 200 with its headers read; any other is an `UpstreamError` and released."""
        try:
            response = await self._addresses[endpoint.url].post(body)
        except FAILURES as exc:
            raise self._error(Kind.CONNECT, f"could not be reached ({type(exc).__name__})") from exc
        if response.status == 200:
            return response
        try:
            raise await self._refusal(response)
        finally:
            response.release()

    async def _refusal(self, response: Reply) -> UpstreamError:
        wait_s = retry_after_s(response.headers.get("retry-after"))
        body = self._without_key(await response.content.read(1 << 16)) if response.status >= 400 else b""
        refused = response.status >= 400
        overflow = names_overflow(response.status, body)
        kind = Kind.TOO_LONG if overflow else Kind.STATUS if refused else Kind.GARBAGE
        return UpstreamError(
            self.tier,
            kind,
            f"answered with status {response.status}",
            status=response.status if refused else None,
            body=body,
            retry_after_s=wait_s,
        )

    def _without_key(self, said: bytes) -> bytes:
        return said.replace(self._secret, b"[secret]") if self._secret else said

    async def _whole(self, response: Reply) -> bytes:
        parts, size = [], 0
        try:
            while data := await response.content.readany():
                parts.append(data)
                size += len(data)
                if size > MOST_BYTES:
                    response.close()
                    raise self._error(Kind.GARBAGE, f"sent more than {MOST_BYTES} bytes")
        except FAILURES as exc:
            raise self._error(Kind.CUT, f"broke off its answer ({type(exc).__name__})") from exc
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _error(self, kind: Kind, problem: str) -> UpstreamError:
        return UpstreamError(self.tier, kind, problem)


def _leave(endpoint: Endpoint) -> None:
    endpoint.outstanding -= 1


def connector(most_connections: int) -> aiohttp.TCPConnector:
    """Pools of kept connections, one an endpoint, with as many in all as `most_connections`."""
    return aiohttp.TCPConnector(limit=most_connections, keepalive_timeout=30.0, ttl_dns_cache=60)


def names_logprobs(error: UpstreamError) -> bool:
    """Whether a refusal is about log-probabilities, which an endpoint need not know."""
    return error.is_the_clients and b"logprob" in error.body
