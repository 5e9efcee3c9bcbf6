"""Hashed features of the words of one text: what a tagger sees when it has no encoder.

Every word has a row of *attributes* (its form, affixes, shape, and where it stands among the numbers and years
of its text), each a 32-bit hash. A *template* joins up to three attributes of words near the tagged one into one
feature. Templates are a table, and a text costs a handful of array operations: well under a millisecond for 30
words.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from numpy.typing import NDArray

MAX_WORDS = 512
"""Words of a text that are tagged; what comes after them holds no entity as far as a tagger is concerned."""

_MAX_FORM = 48
_WORD = re.compile(r"\S+")
_YEAR = re.compile(r"(?:19|20)\d\d$")
_AMOUNT = frozenset(
    ["$", "€", "£", "%", "(", ")", ",", "us$", "million", "millions", "billion", "thousand", "percent", "m", "bn"]
)
_UPPER, _LOWER, _DIGIT = "X", "x", "0"

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Word:
    """A run of non-blank characters: `text[start:end]`."""

    form: str
    start: int
    end: int


def split_words(text: str) -> list[Word]:
    """The first `MAX_WORDS` blank-separated words, with their place in `text`."""
    return [Word(m.group(), m.start(), m.end()) for m in islice(_WORD.finditer(text), MAX_WORDS)]


def _code(kind: str, value: str) -> int:
    return zlib.crc32(f"{kind}\0{value}".encode("utf-8", "surrogatepass"))


def _shape(form: str) -> str:
    return "".join(
        _UPPER if c.isupper() else _LOWER if c.isalpha() else _DIGIT if c.isdigit() else c for c in form[:_MAX_FORM]
    )


def _short(shape: str) -> str:
    return "".join(c for i, c in enumerate(shape) if i == 0 or shape[i - 1] != c)


FORM, LOWER, SHAPE, SHORT, PREFIX, SUFFIX = 0, 1, 2, 3, 4, 8
ORDINAL, COUNT, YEAR, CUE_BEFORE, CUE_AFTER, REPEAT = 12, 13, 14, 15, 16, 17
BLANK = 18
_WIDTH = 19


@lru_cache(maxsize=50_000)
def _own(form: str) -> tuple[int, ...]:
    """The attributes of a word that do not depend on its text: form, lower, shape, short shape, affixes."""
    form = form[:_MAX_FORM]
    lower, shape = re.sub(r"\d", _DIGIT, form.lower()), _shape(form)
    affixes = [_code(f"p{n}", lower[:n]) for n in (1, 2, 3, 4)] + [_code(f"s{n}", lower[-n:]) for n in (1, 2, 3, 4)]
    return (_code("w", form), _code("l", lower), _code("h", shape), _code("c", _short(shape)), *affixes)


@dataclass(frozen=True, slots=True)
class _Standing:
    """Where each word stands in its text, as small strings: what tells this year's figure from last year's."""

    ordinal: str
    count: str
    year: str
    before: str
    after: str
    repeat: str


def _is_number(form: str) -> bool:
    return any(c.isdigit() for c in form) and not any(c.isalpha() for c in form[:_MAX_FORM])


def _cues(lowers: Sequence[str], amounts: Sequence[bool]) -> Iterator[str]:
    """For each word the last word before it that is no part of an amount."""
    cue = "^"
    for lower, amount in zip(lowers, amounts, strict=True):
        yield cue
        if not amount:
            cue = lower


def _standings(forms: Sequence[str]) -> list[_Standing]:
    lowers = [form[:_MAX_FORM].lower() for form in forms]
    years = [int(form) if _YEAR.match(form) else 0 for form in forms]
    latest = max(years, default=0)
    numbers = [_is_number(form) and not year for form, year in zip(forms, years, strict=True)]
    amounts = [number or lower in _AMOUNT for number, lower in zip(numbers, lowers, strict=True)]
    before = list(_cues(lowers, amounts))
    after = list(_cues(lowers[::-1], amounts[::-1]))[::-1]
    respectively = "r" if "respectively" in lowers else "-"
    total = min(sum(numbers), 9)
    seen: set[str] = set()
    out: list[_Standing] = []
    ordinal, last_year = 0, -1
    for i, form in enumerate(forms):
        if years[i]:
            last_year = min(latest - years[i], 4)
        ordinal += numbers[i]
        out.append(
            _Standing(
                ordinal=f"{min(ordinal, 9) if numbers[i] else '-'}{respectively}",
                count=f"{total}{respectively}" if numbers[i] else "-",
                year=f"{last_year}{'n' if numbers[i] else '-'}",
                before=before[i],
                after=after[i],
                repeat="again" if form in seen else "first",
            )
        )
        seen.add(form)
    return out


@lru_cache(maxsize=50_000)
def _standing_code(kind: str, value: str) -> int:
    return _code(kind, value)


def _attributes(forms: Sequence[str]) -> Hashes:
    """uint64 of shape (len(forms) + 2 * _MARGIN, _WIDTH), with rows for the words before and after the text."""
    rows = [
        (
            *_own(form),
            _standing_code("o", s.ordinal),
            _standing_code("n", s.count),
            _standing_code("y", s.year),
            _standing_code("b", s.before),
            _standing_code("a", s.after),
            _standing_code("r", s.repeat),
            0,
        )
        for form, s in zip(forms, _standings(forms), strict=True)
    ]
    out = np.zeros((len(forms) + 2 * _MARGIN, _WIDTH), dtype=np.uint64)
    out[:_MARGIN] = np.arange(_MARGIN, dtype=np.uint64)[:, None] + np.uint64(1)
    out[len(out) - _MARGIN :] = np.arange(_MARGIN, dtype=np.uint64)[:, None] + np.uint64(101)
    out[_MARGIN : _MARGIN + len(forms)] = np.array(rows, dtype=np.uint64)
    out[:, BLANK] = 0
    return out


_Slot = tuple[int, int]
"""(attribute, offset from the tagged word)"""


def _single() -> Iterator[tuple[_Slot, ...]]:
    for attribute in range(BLANK):
        yield ((attribute, 0),)
    for offset in (-1, 1):
        for attribute in (FORM, LOWER, SHORT, PREFIX + 2, SUFFIX + 1, SUFFIX + 2):
            yield ((attribute, offset),)
    for offset in (-2, 2):
        for attribute in (LOWER, SHORT, SUFFIX + 2):
            yield ((attribute, offset),)
    for offset in (-4, -3, 3, 4):
        yield ((LOWER, offset),)


def _joined() -> Iterator[tuple[_Slot, ...]]:
    for attribute in (LOWER, SHORT):
        yield ((attribute, -1), (attribute, 0))
        yield ((attribute, 0), (attribute, 1))
        yield ((attribute, -2), (attribute, -1))
        yield ((attribute, 1), (attribute, 2))
        yield ((attribute, -1), (attribute, 0), (attribute, 1))
    yield ((SHORT, 0), (LOWER, -1))
    yield ((SHORT, 0), (LOWER, 1))
    yield ((SHORT, 0), (CUE_BEFORE, 0))
    yield ((SHORT, 0), (CUE_AFTER, 0))
    yield ((SHORT, 0), (SHORT, -1), (SHORT, -2))
    yield ((SHORT, 0), (SHORT, 1), (SHORT, 2))
    yield ((ORDINAL, 0), (COUNT, 0))
    yield ((ORDINAL, 0), (COUNT, 0), (CUE_BEFORE, 0))
    yield ((YEAR, 0), (CUE_BEFORE, 0))
    yield ((YEAR, 0), (ORDINAL, 0))


TEMPLATES: tuple[tuple[_Slot, ...], ...] = (*_single(), *_joined())
_MARGIN = 4
_FILL = (*((BLANK, 0) for _ in range(3)),)
_ATTRIBUTE = np.array([[slot[0] for slot in (*t, *_FILL)[:3]] for t in TEMPLATES])
_OFFSET = np.array([[slot[1] for slot in (*t, *_FILL)[:3]] for t in TEMPLATES])
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)
_SALT = (np.arange(len(TEMPLATES), dtype=np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


def word_features(forms: Sequence[str]) -> NDArray[np.uint32]:
    """uint32 of shape (len(forms), len(TEMPLATES)): one feature a word and template. A function of `forms` only."""
    if not forms:
        return np.empty((0, len(TEMPLATES)), dtype=np.uint32)
    attributes = _attributes(forms)
    at = np.arange(len(forms))[:, None] + _MARGIN
    mixed = np.broadcast_to(_SALT, (len(forms), len(TEMPLATES))).copy()
    for slot in range(3):
        mixed += (attributes[at + _OFFSET[:, slot], _ATTRIBUTE[:, slot]] + np.uint64(1)) * _FACTORS[slot]
        mixed ^= mixed >> np.uint64(29)
    mixed *= _MIX
    features: NDArray[np.uint32] = ((mixed ^ (mixed >> np.uint64(32))) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return features
