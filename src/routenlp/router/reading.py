"""What a router reads of a query: the last turns with their roles, the message, and how the text looks at a glance."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from routenlp.types import FloatArray, Query, Vectors

_DIGIT = re.compile(r"\d")
_UPPER = re.compile("[A-ZÀ-ÖØ-ÞΑ-ΩА-Я]")
"""Of Latin, Greek and Cyrillic; a search is some ten times as fast as asking each character."""
_ASCII_DIGITS, _ASCII_UPPER = b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_CHARS = 4_000
"""Of a reading: longer ones are cut to head and tail, half each. What is read decides how long routing takes."""
LAST_TURNS = 4
"""Earlier turns that are read."""
TURN_CHARS = 400
"""Of each of them: a long one is cut to head and tail."""
SURFACE = 5
SURFACE_SCALE = 0.1
"""Of the standardised surface features beside unit vectors: small, or distances between texts would be lengths only."""


def reading(query: Query) -> str:
    """The text that encoders are given: a message alone as it is, a conversation with its last turns named by role."""
    if not query.turns:
        return head_and_tail(query.text, MOST_CHARS)
    earlier = [f"{turn.role}: {head_and_tail(turn.text, TURN_CHARS)}" for turn in query.turns[-LAST_TURNS:]]
    return head_and_tail("\n".join([*earlier, query.text]), MOST_CHARS)


def head_and_tail(text: str, most_chars: int) -> str:
    """`text`, or of a longer one its head and its tail, half each: what is asked often stands at either end."""
    if len(text) <= most_chars:
        return text
    half = most_chars // 2
    return f"{text[:half]} {text[-half:]}"


def surface(text: str) -> tuple[float, float, float, float, float]:
    """Length and kind: ln characters, ln blanks, ln line ends, share of digits, share of upper case. Each 0 or more."""
    head = text[:MOST_CHARS]
    size = max(len(head), 1)
    digits, upper = _digits_and_upper(head)
    return (
        math.log1p(len(text)),
        math.log1p(text.count(" ")),
        math.log1p(text.count("\n")),
        digits / size,
        upper / size,
    )


def _digits_and_upper(text: str) -> tuple[int, int]:
    """How many there are; of ASCII by what is left without them, which is ten times as fast again."""
    if not text.isascii():
        return len(_DIGIT.findall(text)), len(_UPPER.findall(text))
    raw = text.encode()
    return len(raw) - len(raw.translate(None, _ASCII_DIGITS)), len(raw) - len(raw.translate(None, _ASCII_UPPER))


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceFrame:
    """Standardises surface features by what is usual in the training texts."""

    mean: FloatArray
    """Shape (SURFACE,)."""
    scale: FloatArray
    """Shape (SURFACE,); positive."""
    _frame: tuple[tuple[float, float], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_frame", tuple(zip(self.mean.tolist(), self.scale.tolist(), strict=True)))

    def of(self, seen: FloatArray) -> FloatArray:
        """`seen`: `surface` of n texts, shape (n, SURFACE); gives the same shape, scaled to stand beside vectors."""
        return np.asarray(SURFACE_SCALE * (seen - self.mean) / self.scale)

    def beside(self, vectors: Vectors, texts: Sequence[str]) -> Vectors:
        """The features that estimators read: encoder vectors (n, d) and the surface of the texts; (n, d + SURFACE)."""
        width = vectors.shape[1]
        out = np.empty((len(texts), width + SURFACE), dtype=np.float32)
        out[:, :width] = vectors
        for i, text in enumerate(texts):
            out[i, width:] = self._of_one(surface(text))
        return out

    def _of_one(self, seen: tuple[float, ...]) -> list[float]:
        """The bits of `of`, without numpy's overhead on five numbers."""
        return [SURFACE_SCALE * (value - mean) / scale for value, (mean, scale) in zip(seen, self._frame, strict=True)]

    def characters(self, features: Vectors) -> FloatArray:
        """How many characters the texts behind these features have, shape (n,): to within rounding of 32 bits."""
        first = features[:, features.shape[1] - SURFACE].astype(np.float64)
        return np.asarray(np.expm1(first * self.scale[0] / SURFACE_SCALE + self.mean[0]))


def frame_surface(seen: FloatArray) -> SurfaceFrame:
    """The frame of texts with these surfaces, shape (n, SURFACE), n at least 1; a constant feature stays unscaled."""
    scale = seen.std(axis=0)
    return SurfaceFrame(seen.mean(axis=0), np.where(scale > 0.0, scale, 1.0))
