"""OCR noise, simulated: letters that scanners mistake for each other, letters lost and words run together."""

from __future__ import annotations

from random import Random

_LOOKALIKE = {
    "o": "0", "0": "o", "l": "1", "1": "l", "i": "l", "e": "c", "c": "e", "s": "5", "b": "6", "g": "9", "t": "f",
    "m": "rn", "n": "ri", "h": "b", "u": "v", "v": "u", "a": "o", "d": "cl", "w": "vv", "O": "0", "I": "l", "S": "5",
    "B": "8", "E": "F",
}  # fmt: skip
_LOST = 0.2
"""Of the changes of letters, those that drop it."""


def ocr(text: str, share: float, key: str) -> str:
    """`text` with about `share` of its letters misread; the same for the same key."""
    chance = Random(f"ocr/{key}")  # noqa: S311 - noise, no secret
    out = []
    for letter in text:
        if chance.random() >= share:
            out.append(letter)
        elif letter == " ":
            continue
        elif letter in _LOOKALIKE and chance.random() >= _LOST:
            out.append(_LOOKALIKE[letter])
        else:
            out.append("" if letter.isalpha() and chance.random() < _LOST else letter)
    return "".join(out) or text
