"""A tier that replays a recording: a data set's human labels, or what a model said. It says so in every answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import msgspec

from routenlp.backends.recording import Recording
from routenlp.backends.remote.breaker import State
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.gateway.plain import Clerk
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.tiers import HeldStream, Whole, held
from routenlp.portfolio.tiers import Tier
from routenlp.types import Prediction, Query


class RecordedTier:
    """Answers at once, as no live tier would; with probabilities and usage where a model's were recorded. Without them
    tokens are counted, and a threshold never accepts its answers.
    """

    streams: ClassVar[bool] = False
    scored_streams: ClassVar[bool] = False
    total_s: ClassVar[float] = math.inf
    state: ClassVar[State] = State.CLOSED

    def __init__(self, clerk: Clerk, recording: Recording, *, clock: Callable[[], float]) -> None:
        self._clerk = clerk
        self._recording = recording
        self._clock = clock

    @property
    def tier(self) -> Tier:
        """Name and price."""
        return self._clerk.tier

    def __len__(self) -> int:
        """How many queries it has the answer to."""
        return len(self._recording)

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:  # noqa: ARG002
        """The recorded answer; raises `UpstreamError` (422) for a query that was not recorded."""
        begun_s = self._clock()
        query = self._clerk.query(request)
        said = self._recording.find(query)
        if said is None:
            raise self._not_recorded(query)
        prediction = Prediction(said.text, said.token_probs)
        return self._clerk.whole(request, query, prediction, self._clock() - begun_s, said.tokens)

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> HeldStream:  # noqa: ARG002
        """The whole answer as a few events."""
        return held(await self.whole(request, scored=False, limit_s=None, last=last))

    def _not_recorded(self, query: Query) -> UpstreamError:
        name = self.tier.name
        message = (
            f"Tier {name!r} is a recording of {len(self)} answers, not a model, and this query of task "
            f"{query.task!r} is not among them. Ask one that is, or put a model in its place."
        )
        error = {"message": message, "type": "invalid_request_error", "param": "messages", "code": "not_recorded"}
        body = msgspec.json.encode({"error": error})
        problem, remedy = "has no recording of this query", "Put a model in its place, or record it."
        return UpstreamError(name, Kind.STATUS, problem, status=422, body=body, remedy=remedy)
