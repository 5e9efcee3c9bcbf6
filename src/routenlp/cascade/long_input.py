"""Queries that are longer than a tier's context: whether one fits, and how it is read in parts. No I/O, no tokenizer.

    begin(text) ─▶ Map(prompts, one a chunk) ─notes─▶ after ─▶ Reduce(the notes, in place of the text)
                     ▲                                  │
                     └──── the notes are too long still ┘

The caller asks the tier for every prompt and for the last answer, and adds up what that took. Tokens are estimated from
characters: on English prose a fifth too many (SmolLM2's tokenizer, six tasks), on code about right, on German two
thirds of them, on base64 a third. So an endpoint may refuse what should have fitted: then `stretch` takes every
character for more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routenlp.types import Answer, FloatArray

LongInput = Literal["escalate", "map_reduce"]
LETTERS_A_TOKEN = 4.5
HIGH_BYTE = 0.9
"""Tokens of a byte of UTF-8 beyond ASCII."""
FRAME_TOKENS = 80
"""Of a prompt around a chunk or notes, and of a chat template."""
MOST_LEVELS = 3
"""Times that notes are taken, of notes too."""
MOST_CALLS = 64
"""Of one level."""
STRETCHES = (1.0, 1.6, 2.6)
"""To be tried one after the other where an endpoint finds too long what should have fitted."""

_MAP = (
    "This is part {part} of {parts} of a text that is too long to be read at once. Write down in a few sentences what "
    "this part says: names, numbers, decisions, reasons. Write it in the language of the text, and write nothing "
    "else.\n\n{chunk}"
)
_REDUCE = (
    "These are notes on a text that was too long to be read at once, part by part and in its order. Take them for the "
    "text itself.\n\n{notes}"
)
_BORDERS = (
    re.compile(r"\n+"),
    re.compile(r"[.!?…][\"'”’)\]]*\s+|[。！？]"),
    re.compile(r"\s+"),
)
"""Ends of lines, such as turns; of sentences; of words: where to cut, the best first."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one call of a tier can hold."""

    tokens: int
    """Of a query with its answer; 256 or more."""
    how: LongInput = "escalate"
    """What becomes of a query that does not fit: another tier's, or read in parts."""
    at_once: int = 1
    """Parts that are read side by side."""

    @property
    def note_tokens(self) -> int:
        """That a note on one part may have."""
        return min(256, self.tokens // 8)

    @property
    def chunk_tokens(self) -> int:
        """Of the text, that one part may have."""
        return self.tokens - self.note_tokens - FRAME_TOKENS

    def left(self, most_tokens: int | None) -> int:
        """For what is read. An eighth is kept for the answer, or what the client wants, up to a quarter."""
        kept = self.tokens // 8 if most_tokens is None else min(max(most_tokens, 1), self.tokens // 4)
        return self.tokens - kept - FRAME_TOKENS


@dataclass(frozen=True, slots=True)
class InParts:
    """What reading in parts takes, as far as can be foreseen, the last call among it."""

    calls: int
    rounds: int
    """Of calls one after the other: those side by side are one."""
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Map:
    """Prompts to ask the tier for notes by, in the order of the text."""

    prompts: tuple[str, ...]
    level: int


@dataclass(frozen=True, slots=True)
class Reduce:
    """What stands in the last call where the text stood."""

    text: str


def estimated_tokens(text: str) -> int:
    """About how many tokens a model reads."""
    return math.ceil(float(_weights(text).sum()))


def foresee(text_tokens: int, other_tokens: int, window: Window, most_tokens: int | None) -> InParts | None:
    """Of a text of so many tokens among others that stay as they are; None where it is too long even so."""
    room = window.left(most_tokens) - other_tokens
    calls = rounds = read = written = 0
    left = text_tokens
    for _ in range(MOST_LEVELS):
        chunks = math.ceil(left / window.chunk_tokens)
        if chunks > MOST_CALLS:
            return None
        calls, rounds = calls + chunks, rounds + math.ceil(chunks / window.at_once)
        read, written = read + left + chunks * FRAME_TOKENS, written + chunks * window.note_tokens
        left = chunks * window.note_tokens
        if left <= room:
            answer = window.tokens - window.left(most_tokens) - FRAME_TOKENS
            return InParts(calls + 1, rounds + 1, read + left + other_tokens + FRAME_TOKENS, written + answer)
    return None


@dataclass(frozen=True, slots=True)
class Reader:
    """Of one text."""

    window: Window
    room: int
    """Tokens that the last call leaves for notes."""
    stretch: float = 1.0
    """By how much more tokens there are than estimated."""

    def begin(self, text: str) -> Map | None:
        """None where it is too long even so, or nothing but white space."""
        return self._map(text, 1)

    def after(self, asked: Map, notes: Sequence[str]) -> Map | Reduce | None:
        """`notes`: an answer a prompt; empty ones are left out. None where they do not get short enough, or all are
        empty."""
        joined = "\n\n".join(note.strip() for note in notes if note.strip())
        if not joined:
            return None
        if self._tokens(joined) <= self.room:
            return Reduce(_REDUCE.format(notes=joined))
        return self._map(joined, asked.level + 1) if asked.level < MOST_LEVELS else None

    def _map(self, text: str, level: int) -> Map | None:
        chunks = [chunk.strip() for chunk in cut(text, self.window.chunk_tokens / self.stretch) if chunk.strip()]
        if not 0 < len(chunks) <= MOST_CALLS or self.room <= 0:
            return None
        parts = len(chunks)
        prompts = [_MAP.format(part=at, parts=parts, chunk=chunk) for at, chunk in enumerate(chunks, start=1)]
        return Map(tuple(prompts), level)

    def _tokens(self, text: str) -> float:
        return self.stretch * estimated_tokens(text)


def cut(text: str, most_tokens: float) -> list[str]:
    """Pieces that make up `text` again, each of at most so many estimated tokens; a character that alone has more is a
    piece. Between lines where one ends in the second half of a piece, else between sentences, else between words, and
    within a word only where it is longer than a piece."""
    ends = np.cumsum(_weights(text))
    borders = [np.array([found.end() for found in border.finditer(text)], dtype=np.int64) for border in _BORDERS]
    pieces, start, before = [], 0, 0.0
    while start < len(text):
        stop = max(int(np.searchsorted(ends, before + most_tokens + 1e-9, side="right")), start + 1)
        if stop < len(text):
            stop = _border(borders, start, stop)
        pieces.append(text[start:stop])
        start, before = stop, float(ends[stop - 1])
    return pieces


def added_up(last: Answer, before: Sequence[Answer], latency_s: float) -> Answer:
    """The last call's answer with the tokens and cost of all calls. Its token probabilities are its own."""
    every = (*before, last)
    return replace(
        last,
        input_tokens=sum(answer.input_tokens for answer in every),
        output_tokens=sum(answer.output_tokens for answer in every),
        cost_usd=sum(answer.cost_usd for answer in every),
        latency_s=latency_s,
    )


def _border(borders: Sequence[NDArray[np.int64]], start: int, stop: int) -> int:
    """The last good place to cut up to `stop`."""
    *good, words = borders
    for ends in good:
        at = int(np.searchsorted(ends, stop, side="right")) - 1
        if at >= 0 and ends[at] > (start + stop) // 2:
            return int(ends[at])
    at = int(np.searchsorted(words, stop, side="right")) - 1
    return int(words[at]) if at >= 0 and words[at] > start else stop


def _weights(text: str) -> FloatArray:
    """Estimated tokens of each character."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    out = np.full(len(codes), 1.0)
    plain = (codes == 32) | ((codes | 32) - 97 < 26)  # unsigned: what is under "a" is far over
    out[plain] = 1.0 / LETTERS_A_TOKEN
    high = codes >= 128
    size = 2.0 + (codes >= 0x800) + (codes >= 0x10000)
    out[high] = HIGH_BYTE * size[high]
    return out
