"""What is peculiar about a query that failed, at a glance. A tag is a hint for a reader, and no verdict.

The paper found that multi-turn references and OCR artefacts are better escalated than distilled: no lesson mends what
the text alone does not say.
"""

from __future__ import annotations

import re
from enum import StrEnum

from routenlp.types import Query

LONG_WORDS = 180
"""About as many as a small encoder's 256 tokens hold: of a longer text it sees head and tail only."""
FAR_FROM_ALL = 0.35
"""Cosine to the nearest text that was learned from; under it the query is like none of them."""
NOISY_SHARE = 0.08
"""Of words that no keyboard writes: from here on a text counts as scanned."""
_FEWEST_WORDS = 5
_REFERS = re.compile(
    r"\b(that one|this one|the same|the (first|second|third|last|other|latter|former) (one)?|as (i|you) said|"
    r"what about|how about|instead|again|earlier|previous(ly)?|like before|(it|that|those|them|these)[.?!]*$)",
    re.IGNORECASE,
)
_OPENS_WITH = re.compile(r"^\W*(and|but|so|also|then|it|they|that|those|these|he|she|yes|no|ok(ay)?)\b", re.IGNORECASE)
_BROKEN_WORD = re.compile(r"^[A-Za-z]+[0-9|!$]+[A-Za-z|!$]+$|[\ufffd~^¬¦]|[^\W\d_][\\|][^\W\d_]|^[^\w\s]{3,}$")
_SPACED_LETTERS = re.compile(r"(?:\b[^\W\d_] ){4,}")


class Tag(StrEnum):
    """Kinds of queries that tend to fail for a reason of their own."""

    MULTI_TURN = "multi-turn reference"
    OCR = "OCR noise"
    OUT_OF_SCOPE = "out of scope"
    LONG = "long input"


def tags(query: Query, *, nearest: float | None = None) -> tuple[Tag, ...]:
    """Every tag that fits, in the order of `Tag`.

    `nearest`: cosine of the query to the most similar text that was learned from; None where it is not known, and
    then nothing is called out of scope.
    """
    fits = {
        Tag.MULTI_TURN: _refers_back(query),
        Tag.OCR: _looks_scanned(query.text),
        Tag.OUT_OF_SCOPE: nearest is not None and nearest < FAR_FROM_ALL,
        Tag.LONG: len(query.text.split()) > LONG_WORDS,
    }
    return tuple(tag for tag, fitting in fits.items() if fitting)


def _refers_back(query: Query) -> bool:
    """Only within a conversation: alone, `what about it?` is merely short."""
    if not any(turn.role in ("user", "assistant") for turn in query.turns):
        return False
    return bool(_REFERS.search(query.text) or _OPENS_WITH.match(query.text))


def _looks_scanned(text: str) -> bool:
    if _SPACED_LETTERS.search(text):
        return True
    words = text.split()
    if len(words) < _FEWEST_WORDS:
        return False
    return sum(bool(_BROKEN_WORD.search(word)) for word in words) >= NOISY_SHARE * len(words)
