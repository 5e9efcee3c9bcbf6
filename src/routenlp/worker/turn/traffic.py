"""From the record to what a turn looks at: queries and answers, graded by the teacher's answer where it is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from routenlp.backends.openai_compatible.conversation import Message, turns_before_last
from routenlp.contracts import Metric
from routenlp.loop.failures import Observed
from routenlp.store.sql.records import StepRecord
from routenlp.store.sql.served import Served
from routenlp.types import Answer, Query, Route, Step, Trace

_OURS = ("query_id", "group")
"""Of the metadata, what names the query; the rest is the query's own."""


@dataclass(frozen=True, slots=True)
class Came:
    """One query that was served."""

    group: str
    """The unit that no fold cuts: what the client said, else the query alone."""
    observed: Observed
    top_cost_usd: float | None

    @property
    def query(self) -> Query:
        """As tiers read it."""
        return self.observed.trace.query


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of the record is no use to a turn, counted."""

    redacted: int = 0
    """Something was taken out of the text."""
    unreadable: int = 0
    """No message of text."""
    again: int = 0
    """A query that came before, by its id."""


def traffic(served: Iterable[Served], task: str, *, top: str, metric: Metric) -> tuple[list[Came], LeftOut]:
    """The queries of `task`, oldest first. Quality is an answer's likeness to the top tier's, by the task's metric."""
    came: dict[str, Came] = {}
    redacted = unreadable = again = 0
    for one in served:
        if one.task != task:
            continue
        query = None if one.redacted else query_of(one)
        if query is None:
            redacted, unreadable = redacted + one.redacted, unreadable + (not one.redacted)
        elif query.id in came:
            again += 1
        else:
            group = one.metadata.get("group") or query.id
            came[query.id] = Came(group, _observed(one, query, top, metric), one.top_cost_usd)
    return list(came.values()), LeftOut(redacted, unreadable, again)


def query_of(served: Served) -> Query | None:
    """The query as routers and students read it; None where there is nothing to read."""
    try:
        messages = msgspec.convert(served.messages, list[Message])
    except msgspec.ValidationError:
        return None
    if not messages or not messages[-1].text.strip():
        return None
    metadata = {name: value for name, value in served.metadata.items() if name not in _OURS}
    own = served.metadata.get("query_id") or served.id
    return Query(own, served.task, messages[-1].text, metadata, turns_before_last(messages))


def _observed(served: Served, query: Query, top: str, metric: Metric) -> Observed:
    steps = tuple(_step(step, served.answers[step.tier]) for step in served.steps if step.tier in served.answers)
    returned = next((s.answer for s in steps if s.accepted), None) or Answer(served.tier, "", None, 0, 0, 0.0, 0.0)
    route = Route(served.task, served.steps[0].tier if served.steps else served.tier, (), "")
    right: str | None = served.answers.get(top)
    quality: Mapping[str, float] = {}
    if right is not None and right.strip():
        quality = {step.answer.tier: metric.quality(step.answer.text, right) for step in steps}
    return Observed(Trace(query, route, steps, returned, "", served.policy), quality)


def _step(step: StepRecord, text: str) -> Step:
    answer = Answer(
        step.tier, text, None, step.input_tokens or 0, step.output_tokens or 0, step.cost_usd, step.latency_s
    )
    return Step(answer, step.score, step.threshold, step.accepted)
