"""Who speaks in a generated conversation, and how untidily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

Option = TypeVar("Option")

FIRST_NAMES = (
    "Maria", "James", "Aisha", "Tom", "Yuki", "Elena", "Omar", "Grace", "Ivan", "Priya", "Lucas", "Hannah",
    "Diego", "Sofia", "Chen", "Nora", "Paris", "Austin", "April", "Florence", "Chelsea", "Dallas", "Sydney", "Jordan",
)  # fmt: skip
"""Some are also places or months, so that a word list alone cannot tell."""

UNTIDY_SHARE = 0.4
"""Of the speakers."""
TYPO_RATE = 0.25
"""Of an untidy speaker's words."""
OPENERS = ("", "", "", "Hi, ", "Hello there, ", "Hey ", "Good morning. ", "Sorry to bother you but ", "Quick one: ")
CLOSERS = ("", "", "", "", " Thanks.", " Please help", " Thank you!", " It is urgent.", " Any idea?")


@dataclass(frozen=True, slots=True)
class Draft:
    """A query's text with its reference."""

    text: str
    reference: str


@dataclass(frozen=True, slots=True)
class Speaker:
    """One customer: what they have in common from query to query."""

    chance: Random
    name: str
    untidy: bool

    @classmethod
    def drawn(cls, chance: Random) -> Speaker:
        """A speaker; everything they say draws from the same `chance`."""
        return cls(chance, chance.choice(FIRST_NAMES), chance.random() < UNTIDY_SHARE)

    def says(self, words: str, *, greets: bool = True) -> str:
        """`words` as this speaker types them, perhaps with a greeting before and a plea behind."""
        opener = self.chance.choice(OPENERS) if greets else ""
        text = opener + words + self.chance.choice(CLOSERS)
        if not self.untidy:
            return text[0].upper() + text[1:]
        return " ".join(self.mistyped(word) for word in text.lower().split())

    def mistyped(self, word: str) -> str:
        """`word`, now and then with two letters swapped, one dropped or one doubled; numbers and short words never."""
        if len(word) < 4 or not word.isalpha() or self.chance.random() >= TYPO_RATE:
            return word
        at = self.chance.randrange(1, len(word) - 1)
        swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        return self.chance.choice((swapped, word[:at] + word[at + 1 :], word[: at + 1] + word[at:]))


def filled(chance: Random, template: str, slots: Mapping[str, Sequence[str]]) -> str:
    """`template` with each {slot} drawn from `slots`; the same slot twice gets the same words."""
    drawn = {name: chance.choice(words) for name, words in slots.items() if "{" + name + "}" in template}
    return template.format(**drawn)


def common_first(chance: Random, options: Sequence[Option]) -> Option:
    """One of the options: the i-th is drawn in proportion to 1 / i, so that the last are rare."""
    return chance.choices(options, weights=[1 / rank for rank in range(1, len(options) + 1)])[0]
