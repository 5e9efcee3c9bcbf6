"""Entity answers: their canonical text, and F1 over the multiset of (type, text)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """One entity: its type in the label set asked for, and its words."""

    type: str
    text: str


def to_text(entities: Iterable[Entity]) -> str:
    """Canonical JSON, in the order given: what a tier answers and what a reference looks like."""
    return json.dumps([{"type": e.type, "text": e.text} for e in entities], ensure_ascii=False)


def from_text(text: str) -> tuple[Entity, ...] | None:
    """The entities that `text` lists; None when it is not such a list (a tier may answer anything)."""
    try:
        rows = json.loads(text)
        if not isinstance(rows, list):
            return None
        return tuple(Entity(str(row["type"]), str(row["text"])) for row in rows)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Counts from which F1 is computed; they add up over answers to the micro-averaged figure."""

    shared: int
    answered: int
    expected: int

    @property
    def f1(self) -> float:
        """2 shared / (answered + expected); 1.0 when nothing was expected and nothing answered."""
        total = self.answered + self.expected
        return 2.0 * self.shared / total if total else 1.0


def overlap(answer: str, reference: str) -> Overlap:
    """Multiset overlap of (type, text). An answer that cannot be read shares nothing and counts as one wrong entity."""
    expected = Counter(from_text(reference) or ())
    given = from_text(answer)
    if given is None:
        return Overlap(0, 1, expected.total())
    found = Counter(given)
    return Overlap((found & expected).total(), found.total(), expected.total())
