"""Where a reference's entities lie in its text: references list words, and a tagger learns from places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.backends.student.tagger import Span
from routenlp.backends.student.word_features import Word, split_words
from routenlp.grading.entities import Entity

IN_ORDER_AT = 0.9
"""A label set whose references list entities in the order of the text in this share of rows lists every mention."""


@dataclass(frozen=True, slots=True)
class Places:
    """Finds entities in one text, at word bounds only."""

    text: str
    words: Sequence[Word]

    def find(self, wanted: str, begin: int) -> tuple[int, int] | None:
        """First and last word of the next occurrence that begins at word `begin` or later; None where there is none."""
        starts = {word.start: i for i, word in enumerate(self.words)}
        ends = {word.end: i for i, word in enumerate(self.words)}
        if not wanted or begin >= len(self.words):
            return None
        at = self.text.find(wanted, self.words[begin].start)
        while at >= 0:
            if at in starts and at + len(wanted) in ends:
                return starts[at], ends[at + len(wanted)]
            at = self.text.find(wanted, at + 1)
        return None


@dataclass(frozen=True, slots=True)
class Marked:
    """A text with the spans of its reference, in order, not overlapping."""

    words: tuple[Word, ...]
    spans: tuple[Span, ...]


def lists_mentions(rows: Sequence[tuple[str, Sequence[Entity]]]) -> bool:
    """True where references follow the text, entity by entity; False where they are sets of strings."""
    several = [(text, entities) for text, entities in rows if len(entities) > 1]
    followed = sum(_in_order(text, entities) is not None for text, entities in several)
    return followed >= IN_ORDER_AT * len(several)


def mark(text: str, entities: Sequence[Entity], types: Sequence[str], *, mentions: bool) -> Marked:
    """The spans of a reference. With `mentions`, one place an entity, in order; else every place of each string.

    Entities that do not stand in the text at word bounds are left out.
    """
    words = split_words(text)
    number = {name: i for i, name in enumerate(types)}
    places = Places(text, words)
    found = _follow(places, entities) if mentions else _everywhere(places, entities)
    spans = [Span(first, last, number[entity.type]) for entity, first, last in found]
    return Marked(tuple(words), tuple(sorted(spans, key=lambda span: span.first)))


_Found = tuple[Entity, int, int]


def _follow(places: Places, entities: Sequence[Entity]) -> list[_Found]:
    out: list[_Found] = []
    begin = 0
    for entity in entities:
        place = places.find(entity.text, begin)
        if place is not None:
            out.append((entity, *place))
            begin = place[1] + 1
    return out


def _in_order(text: str, entities: Sequence[Entity]) -> list[_Found] | None:
    found = _follow(Places(text, split_words(text)), entities)
    return found if len(found) == len(entities) else None


def _everywhere(places: Places, entities: Sequence[Entity]) -> list[_Found]:
    """Longer strings first, so that "2012" is not found inside "February 2012" where both are listed."""
    out: list[_Found] = []
    taken: set[int] = set()
    for entity in sorted(entities, key=lambda e: (-len(e.text), e)):
        begin = 0
        while (place := places.find(entity.text, begin)) is not None:
            covered = range(place[0], place[1] + 1)
            if taken.isdisjoint(covered):
                taken.update(covered)
                out.append((entity, *place))
            begin = place[1] + 1
    return out
