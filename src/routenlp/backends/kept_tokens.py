"""What a commit rule needs to know of an answer's tokens, packed into few characters that are kept beside its text.

Two bytes a token for its probability, one for the UTF-8 bytes that it adds to the text; of the first `MOST` tokens, and
how many there were. No word of the answer is in it: what a prefix says is cut out of the text itself.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.generations import STEPS, text_after

MOST = 512
"""Tokens that are kept of an answer. No prefix that is longer is known."""
_LONGEST = 255
"""Bytes of a token."""


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Of one answer, in order, without an end-of-text token; as small as it is kept, for there may be many answers."""

    steps: NDArray[np.uint16]
    """Probabilities, in 1 / `STEPS`; shape (n,)."""
    sizes: bytes
    """UTF-8 bytes that each adds to the text, n of them."""
    count: int
    """Of the whole answer: n or more."""

    @property
    def probs(self) -> tuple[float, ...]:
        """Of the first n tokens."""
        return tuple((self.steps / STEPS).tolist())

    def text_after(self, text: str, tokens: int) -> str:
        """What the first `tokens` tokens of `text` say, without the half of a character."""
        return text_after(text, self.sizes, tokens)


def packed(text: str, probs: Sequence[float], sizes: Sequence[int]) -> str | None:
    """Of all tokens of an answer; None where there are none, where they are not those of `text`, and where one is no
    probability: then nothing is known of the answer's prefixes."""
    fits = len(probs) == len(sizes) and sum(sizes) == len(text.encode("utf-8", "surrogatepass"))
    if not fits or not probs or not all(0.0 <= p <= 1.0 for p in probs) or max(sizes) > _LONGEST:
        return None
    steps = np.rint(np.asarray(probs[:MOST], dtype=np.float64) * STEPS).astype("<u2")
    count = min(len(probs), STEPS).to_bytes(2, "little")
    return base64.b64encode(count + steps.tobytes() + bytes(sizes[:MOST])).decode("ascii")


def unpacked(kept: object, text: str) -> Tokens | None:
    """The inverse, with probabilities in steps of 1 / `STEPS`; None for anything that `packed` did not make of
    `text`."""
    try:
        data = base64.b64decode(str(kept), validate=True)
    except ValueError:
        return None
    tokens, rest = divmod(len(data) - 2, 3)
    if rest or tokens < 1:
        return None
    steps = np.frombuffer(data, dtype="<u2", count=tokens, offset=2)
    found = Tokens(steps, data[2 + 2 * tokens :], int.from_bytes(data[:2], "little"))
    said, size = sum(found.sizes), len(text.encode("utf-8", "surrogatepass"))
    fits = said == size if found.count == tokens else tokens == MOST < found.count and said <= size
    return found if fits else None
