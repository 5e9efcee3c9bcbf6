"""A tier whose model runs in a child process here: asked as an endpoint is, by no more queries than it can hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from routenlp.backends.local.server import LocalModel, LocalServer
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.backends.remote.upstream import ByteStream
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.threads import COME_BACK_S
from routenlp.gateway.tiers import OpenAITier, Whole
from routenlp.portfolio.tiers import Tier


class LocalTier:
    """Holds the server, which ends when no tier holds it any more: after a reload, with its last request."""

    def __init__(self, inner: OpenAITier, server: LocalServer, *, most_waiting: int) -> None:
        """`most_waiting`: queries that may wait while every slot is busy."""
        self._inner = inner
        self.server = server
        self._most_waiting = most_waiting
        self._room = server.model.slots + most_waiting

    @property
    def model(self) -> LocalModel:
        """What runs."""
        return self.server.model

    @property
    def tier(self) -> Tier:
        """Name and price."""
        return self._inner.tier

    @property
    def streams(self) -> bool:
        """Always."""
        return True

    @property
    def scored_streams(self) -> bool:
        """As its server's."""
        return self._inner.scored_streams

    @property
    def total_s(self) -> float:
        """As the settings say."""
        return self._inner.total_s

    @property
    def state(self) -> State:
        """Open while the server is being started again and again."""
        return self._inner.state

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:
        """As an endpoint's; a full queue is a busy endpoint."""
        self._enter()
        try:
            return await self._inner.whole(request, scored=scored, limit_s=limit_s, last=last)
        finally:
            self._leave()

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> ByteStream:
        """The same, event by event; its place is free again when it is closed."""
        self._enter()
        try:
            return _Held(await self._inner.stream(request, last=last, scored=scored), self._leave)
        except BaseException:
            self._leave()
            raise

    def _enter(self) -> None:
        if self._room <= 0:
            problem = f"is busy: {self._most_waiting} queries wait for it"
            raise UpstreamError(self.tier.name, Kind.STATUS, problem, status=429, retry_after_s=COME_BACK_S)
        self._room -= 1

    def _leave(self) -> None:
        self._room += 1


class _Held:
    """A stream that gives its place back once."""

    def __init__(self, stream: ByteStream, leave: Callable[[], None]) -> None:
        self._stream = stream
        self._leave: Callable[[], None] | None = leave

    @property
    def first(self) -> bytes:
        return self._stream.first

    def rest(self) -> AsyncIterator[bytes]:
        return self._stream.rest()

    def close(self) -> None:
        self._stream.close()
        if self._leave is not None:
            self._leave()
            self._leave = None
