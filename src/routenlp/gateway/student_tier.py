"""A tier whose answers come from students in this process, one a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from routenlp.backends.remote.breaker import State
from routenlp.contracts import Student
from routenlp.gateway.plain import Clerk
from routenlp.gateway.request import ChatRequest
from routenlp.gateway.threads import Threads
from routenlp.gateway.tiers import HeldStream, Whole, held
from routenlp.portfolio.tiers import Tier


class StudentTier:
    """A prediction takes from under a millisecond to many, so that it is made in a thread of the tier's own."""

    streams: ClassVar[bool] = False
    scored_streams: ClassVar[bool] = False
    state: ClassVar[State] = State.CLOSED

    def __init__(
        self,
        clerk: Clerk,
        students: Mapping[str, Student],
        threads: Threads,
        *,
        total_s: float,
        clock: Callable[[], float],
    ) -> None:
        """`students`: by task. `total_s`: how long an answer may take, waiting included."""
        self._clerk = clerk
        self._students = students
        self._threads = threads
        self.total_s = total_s
        self._clock = clock

    @property
    def tier(self) -> Tier:
        """Name and price."""
        return self._clerk.tier

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that it has a student for."""
        return tuple(self._students)

    async def whole(self, request: ChatRequest, *, scored: bool, limit_s: float | None, last: bool) -> Whole:  # noqa: ARG002
        """The student's answer, always with probabilities. A task without a student is refused."""
        begun_s = self._clock()
        query = self._clerk.query(request)
        student = self._students.get(query.task)
        if student is None:
            raise self._clerk.refusal(f"has no student for task {query.task!r}")
        within_s = self.total_s if limit_s is None else min(limit_s, self.total_s)
        (prediction,) = await self._threads.run(lambda: student.predict([query]), limit_s=within_s)
        return self._clerk.whole(request, query, prediction, self._clock() - begun_s)

    async def stream(self, request: ChatRequest, *, last: bool, scored: bool = False) -> HeldStream:  # noqa: ARG002
        """The whole answer as a few events."""
        return held(await self.whole(request, scored=False, limit_s=None, last=last))
