"""Any backend behind a window: as `gateway.long_tier` does it, for replays and benches, one call after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from routenlp.cascade.long_input import STRETCHES, Map, Reader, Reduce, Window, added_up, estimated_tokens
from routenlp.contracts import Backend
from routenlp.errors import BackendError
from routenlp.types import Answer, Query


class TooLong(BackendError):
    """A query does not fit the tier's context."""


@dataclass(frozen=True, slots=True)
class LongBackend:
    """`Backend` that reads in parts what does not fit, or refuses it.

    `inner` raises `TooLong` where its model finds a query too long that should have fitted. A note's query has the id
    of the whole one and a number; the last one has its id, its metadata and its turns.
    """

    tier: str
    inner: Backend
    window: Window

    def answer(self, query: Query) -> Answer:
        """With the tokens, cost and time of all calls; raises `TooLong` and what `inner` raises."""
        turns = sum(estimated_tokens(turn.text) for turn in query.turns)
        fits = estimated_tokens(query.text) + turns <= self.window.left(None)
        if fits:
            try:
                return self.inner.answer(query)
            except TooLong:
                if self.window.how == "escalate":
                    raise
        if self.window.how == "escalate":
            raise self._too_long(query)
        notes: list[Answer] = []
        for stretch in STRETCHES:
            try:
                last = self._read(query, Reader(self.window, self.window.left(None) - turns, stretch), notes)
            except TooLong:
                continue
            if last is not None:
                return added_up(last, notes, sum(note.latency_s for note in notes) + last.latency_s)
            break
        raise self._too_long(query)

    def _read(self, query: Query, reader: Reader, notes: list[Answer]) -> Answer | None:
        """The last call's answer; None where it does not get short enough. `notes`: all others are added to it."""
        step: Map | Reduce | None = reader.begin(query.text)
        while isinstance(step, Map):
            found = []
            for prompt in step.prompts:
                found.append(self.inner.answer(Query(f"{query.id}/{len(notes)}", query.task, prompt)))
                notes.append(found[-1])
            step = reader.after(step, [note.text for note in found])
        if step is None:
            return None
        return self.inner.answer(replace(query, text=step.text))

    def _too_long(self, query: Query) -> TooLong:
        problem = f"holds {self.window.tokens:,} tokens, and query {query.id!r} does not fit"
        return TooLong(f"tier {self.tier!r}", problem, "Ask the next tier.")
