"""What goes wrong during the pilot, and when. No detector, certificate or policy is told of any of it.

Days count from 0. An episode without an end stays until the pilot is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What changes."""

    MIX_SHIFT = "intent mix shift"
    """Most queries of the intent task come from the intents that its cheap tiers know least."""
    OUT_OF_SCOPE = "out-of-scope queries"
    """CLINC150 queries that belong to no intent of the task."""
    OCR_NOISE = "OCR noise (simulated)"
    """Letters of the document tasks are misread."""
    NEW_TASK = "new task"
    """Queries of a task that no policy and no cheap tier knows."""
    WORSE = "tier silently worse (simulated)"
    """Right answers of an upstream tier turn wrong, as sure of themselves as before."""
    PRICE = "price change"
    """The top tier's price is another one."""
    OUTAGE = "store outage"
    """Another process holds the store for a day: nothing can be written or read by anybody else."""
    LENIENT = "judge turns lenient (simulated)"
    """The judge likes nearly everything."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One."""

    kind: Kind
    first_day: int
    days: int | None
    """None: until the end."""
    strength: float
    """A share of queries, points of quality, or a factor: as `kind` needs."""
    tasks: tuple[str, ...] = ()
    """That it can harm; empty: all."""

    @property
    def name(self) -> str:
        """For tables."""
        if self.kind is Kind.WORSE:
            return f"{self.kind}, by {self.strength * 100:.0f} points"
        return str(self.kind)

    @property
    def end_day(self) -> int | None:
        """The first day after it."""
        return None if self.days is None else self.first_day + self.days

    def on(self, day: int) -> bool:
        """Whether it is under way."""
        return self.first_day <= day and (self.end_day is None or day < self.end_day)

    def harms(self, task: str) -> bool:
        """Whether it can change how a task fares."""
        return not self.tasks or task in self.tasks


INTENTS = ("cs_intent", "generated_intent")
RESPONSES = ("cs_response", "generated_reply")
DOCUMENTS = ("legal_clause", "legal_risk", "fin_ner", "generated_entities")
"""Which tasks an episode is about, in the supplied and in the generated workload."""
NEW_TASK = "assistant_intent"
"""CLINC150's intents under a name that no settings know."""
LOWERS = frozenset({Kind.MIX_SHIFT, Kind.OUT_OF_SCOPE, Kind.OCR_NOISE, Kind.WORSE, Kind.LENIENT})
"""Kinds that can lower the quality of what is served until an alarm."""

EIGHT_WEEKS: tuple[Episode, ...] = (
    Episode(Kind.MIX_SHIFT, 7, 7, 0.6, INTENTS),
    Episode(Kind.OUT_OF_SCOPE, 16, 4, 0.15, INTENTS),
    Episode(Kind.OCR_NOISE, 22, 4, 0.08, DOCUMENTS),
    Episode(Kind.NEW_TASK, 28, None, 0.03, (NEW_TASK,)),
    Episode(Kind.WORSE, 30, 7, 0.05),
    Episode(Kind.WORSE, 40, 5, 0.10),
    Episode(Kind.PRICE, 47, None, 0.625),
    Episode(Kind.OUTAGE, 49, 1, 1.0),
    Episode(Kind.LENIENT, 51, 5, 0.9, RESPONSES),
)
"""Strengths: 60% of intents from the hardest quarter; 15% out of scope; 8% of letters; 3% of all queries; 5 and 10
points; $5 in place of $8 a thousand tokens; 90% of what the judge would have called wrong is called right."""

ONE_WEEK: tuple[Episode, ...] = (
    Episode(Kind.MIX_SHIFT, 3, 2, 0.6, INTENTS),
    Episode(Kind.PRICE, 5, None, 0.625),
    Episode(Kind.OUTAGE, 6, 1, 1.0),
)


@dataclass(frozen=True, slots=True)
class Weather:
    """What is wrong on one day."""

    mix_shift: float = 0.0
    out_of_scope: float = 0.0
    new_task: float = 0.0
    ocr: bool = False
    worse: float = 0.0
    price: float = 1.0
    outage: bool = False
    lenient: float = 0.0


_FIELDS = {
    Kind.MIX_SHIFT: "mix_shift",
    Kind.OUT_OF_SCOPE: "out_of_scope",
    Kind.NEW_TASK: "new_task",
    Kind.WORSE: "worse",
    Kind.PRICE: "price",
    Kind.LENIENT: "lenient",
}


def weather(episodes: Sequence[Episode], day: int) -> Weather:
    """All episodes of a day together."""
    found = [episode for episode in episodes if episode.on(day)]
    values: dict[str, float] = {_FIELDS[e.kind]: e.strength for e in found if e.kind in _FIELDS}
    kinds = {e.kind for e in found}
    return Weather(**values, ocr=Kind.OCR_NOISE in kinds, outage=Kind.OUTAGE in kinds)
