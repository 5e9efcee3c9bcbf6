"""Backend `recorded` over generations: what a language model wrote, replayed with its probabilities and price."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routenlp.backends.generations import Generation
from routenlp.errors import BackendError
from routenlp.portfolio.tiers import Tier
from routenlp.types import Answer, Query

Latency = Callable[[Query, Generation], float]
"""Seconds that an answer took, or would take."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a model on one machine, by which the latency of a recorded answer follows from its tokens."""

    fixed_s: float
    """Of every request, whatever its length."""
    read_s: float
    """For each token of the prompt."""
    written_s: float
    """For each token of the answer."""

    def reading_s(self, generation: Generation) -> float:
        """Until the model begins to write."""
        return self.fixed_s + generation.input_tokens * self.read_s

    def latency_s(self, generation: Generation) -> float:
        """Of the whole answer."""
        return self.reading_s(generation) + generation.output_tokens * self.written_s


class GenerationsBackend:
    """Answers queries of any task that `generations` knows: by task, then by the query's id."""

    def __init__(self, tier: Tier, generations: Mapping[str, Mapping[str, Generation]], latency: Latency) -> None:
        self._tier = tier
        self._generations = generations
        self._latency = latency

    def has(self, query: Query) -> bool:
        """Whether the query was recorded."""
        return query.id in self._generations.get(query.task, {})

    def answer(self, query: Query) -> Answer:
        """The recorded answer; raises `BackendError` when there is none for this task and id."""
        found = self._generations.get(query.task, {}).get(query.id)
        if found is None:
            raise BackendError(
                f"tier {self._tier.name!r}",
                f"has no recording of query {query.id!r} of task {query.task!r}",
                "Record it: routenlp bench record.",
            )
        cost_usd = self._tier.price.cost_usd(found.input_tokens, found.output_tokens)
        probs = found.token_probs or None
        latency_s = self._latency(query, found)
        return Answer(
            self._tier.name, found.answer, probs, found.input_tokens, found.output_tokens, cost_usd, latency_s
        )
