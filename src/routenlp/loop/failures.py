"""From what was served to what went wrong: escalation failures, each with its cause.

A failure costs money (the top tier was asked) or quality (a cheap answer was accepted and is worse than the top
tier's). Both are what a turn tries to make fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from routenlp.loop.tags import Tag, tags
from routenlp.types import Query, Trace


class Cause(StrEnum):
    """Why a query counts as a failure."""

    ESCALATED = "escalated"
    """A cheap answer was not accepted, and the top tier answered."""
    WORSE = "accepted but worse"
    """A cheap answer was accepted, and is known to be worse than the top tier's."""
    SKIPPED = "sent to the top tier at once"
    """The router expected too little of the cheap tiers to ask one."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One served query with what is known of its answers."""

    trace: Trace
    quality: Mapping[str, float] = field(default_factory=dict)
    """By tier, of answers that were graded, in [0, 1]. A tier that is missing was not graded."""
    nearest: float | None = None
    """Cosine to the most similar text that was learned from, where it is known."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One query that a better cheap tier would have answered."""

    query: Query
    cause: Cause
    tags: tuple[Tag, ...]
    tier: str | None
    """The dearest cheap tier that answered; None where none was asked."""
    score: float | None
    """Uncertainty of that answer, 0 (sure) to 1."""
    gap: float | None
    """The top tier's quality minus that answer's; None where either was not graded. Negative: the teacher was worse."""
    teacher_answer: str | None
    """What the top tier said, where it was asked: it is paid already."""


def find_failures(observed: Iterable[Observed], *, top: str) -> tuple[Failure, ...]:
    """The failures among what was served, in order. `top`: the last tier that their task may use, which is the teacher.

    An accepted answer that was not graded against the top tier's is no failure: nothing is known against it.
    """
    found = ((row, _cause(row, top)) for row in observed)
    return tuple(_failure(row, cause, top) for row, cause in found if cause is not None)


def _cause(row: Observed, top: str) -> Cause | None:
    trace = row.trace
    if trace.answer.tier == top:
        return Cause.ESCALATED if len(trace.steps) > 1 else Cause.SKIPPED
    gap = _gap(row, trace.answer.tier, top)
    return Cause.WORSE if gap is not None and gap > 0.0 else None


def _failure(row: Observed, cause: Cause, top: str) -> Failure:
    cheap = [step for step in row.trace.steps if step.answer.tier != top]
    if cause is Cause.WORSE:
        cheap = [step for step in cheap if step.answer.tier == row.trace.answer.tier]
    last = cheap[-1] if cheap else None
    said = {step.answer.tier: step.answer.text for step in row.trace.steps}
    return Failure(
        row.trace.query,
        cause,
        tags(row.trace.query, nearest=row.nearest),
        None if last is None else last.answer.tier,
        None if last is None else last.score,
        None if last is None else _gap(row, last.answer.tier, top),
        said.get(top),
    )


def _gap(row: Observed, tier: str, top: str) -> float | None:
    if tier not in row.quality or top not in row.quality:
        return None
    return row.quality[top] - row.quality[tier]
