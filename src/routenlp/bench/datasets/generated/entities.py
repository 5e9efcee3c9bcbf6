"""Generated notes of a sales team: people, places, products, amounts and dates in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from random import Random

from routenlp.bench.datasets.generated.conversation import FIRST_NAMES, Draft, Speaker, common_first
from routenlp.grading.entities import Entity, to_text

PLACES = (
    "London", "Berlin", "Madrid", "Paris", "Austin", "Florence", "Sydney", "Dallas", "Chelsea", "Porto Alegre",
    "New York", "Leeds", "Cape Town", "Oslo", "Lyon", "Santa Cruz", "Jordan", "Kyoto",
)  # fmt: skip
PRODUCTS = (
    "Falcon", "Horizon Desk", "Mercury 3", "Atlas", "Clear View", "Nimbus X", "Orchard", "Madrid Chair", "Beacon Pro",
    "Austin Lamp", "May Bell", "Tundra",
)  # fmt: skip
MONTHS = ("January", "March", "April", "May", "June", "August", "October", "December")
DAYS = ("Monday", "Tuesday", "Thursday", "Friday")
ONSETS = ("b", "br", "d", "f", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "w")
CENTRES = ("a", "e", "i", "o", "u", "ei", "ou")
CODAS = ("n", "r", "l", "s", "ck", "mann", "son", "ton", "ska", "tti", "x")

KNOWN_SHARE = 0.7
"""Of the names: they come from the lists above; the others are coined."""

TEMPLATES = (
    "{person} ordered the {product} for {amount} .",
    "Met {person} in {place} on {date} .",
    "The {product} ships to {place} on {date} .",
    "{person} asked for {amount} off the {product} .",
    "Call {person} before {date} about room {number} .",
    "{place} took the {product} , {amount} in all .",
    "Nothing new from {named} since {date} .",
    "{named} is on hold , {amount} short .",
    "Invoice {number} over {amount} goes to {person} in {place} .",
    "Nobody answered , try again at {number} .",
    "{person} and {person} fly from {place} to {place} .",
    "Demo of the {product} moved from {date} to {date} .",
    "{place} called , they want {number} more .",
    "{person} called , they want {number} more .",
    "Ticket {number} is closed .",
    "Ask {person} about {named} , not about {named} .",
    "Between {person} and the {place} office there is {amount} open since {date} .",
    "According to {person} the {product} costs less than {amount} in {place} .",
    "{product} or {product} ? {person} decides by {date} .",
    "The Friday Club of {place} paid {amount} .",
    "Ask whether {person} , back from {place} since {date} , still wants the {product} .",
)
"""The rarer, the later; with spaces around punctuation, as the supplied entity rows have them.

`named` is a person, a place or a product, and nothing but the name can tell which.
"""

_SLOT = re.compile(r"\{(\w+)\}")


def _person(chance: Random) -> str:
    first = chance.choice(FIRST_NAMES) if chance.random() < KNOWN_SHARE else _coined(chance)
    return first if chance.random() < 0.45 else f"{first} {_coined(chance)}"


def _place(chance: Random) -> str:
    return common_first(chance, PLACES) if chance.random() < KNOWN_SHARE else _coined(chance)


def _product(chance: Random) -> str:
    return common_first(chance, PRODUCTS) if chance.random() < KNOWN_SHARE else _coined(chance)


def _coined(chance: Random) -> str:
    """A name that nobody has heard before."""
    return (chance.choice(ONSETS) + chance.choice(CENTRES) + chance.choice(CODAS)).capitalize()


def _amount(chance: Random) -> str:
    number = f"{chance.randrange(1, 400) * 25:,}"
    return chance.choice((f"$ {number}", f"{number} euros", f"EUR {number}", f"{chance.randrange(2, 90)} k"))


def _date(chance: Random) -> str:
    day, month = chance.randrange(1, 29), chance.choice(MONTHS)
    weekday = chance.choice(DAYS)
    return chance.choice((f"{day} {month}", f"{month} {day}", month, weekday, f"next {weekday}", f"{month} 2025"))


_DRAWN: Mapping[str, Callable[[Random], str]] = {
    "person": _person,
    "place": _place,
    "product": _product,
    "amount": _amount,
    "date": _date,
    "number": lambda chance: str(chance.randrange(2, 4000)),
}
"""What fills a slot; `number` is no entity."""
TYPES: Sequence[str] = tuple(kind for kind in _DRAWN if kind != "number")
NAMED = ("person", "place", "product")


def entity_query(speaker: Speaker) -> Draft:
    """One note with its entities, in the order of the text. Untidy writers forget capitals and mistype other words."""
    chance = speaker.chance
    found: list[Entity] = []
    words: list[str] = []
    for word in common_first(chance, TEMPLATES).split():
        slot = _SLOT.fullmatch(word)
        if slot is None:
            words.append(speaker.mistyped(word.lower()) if speaker.untidy else word)
            continue
        kind = chance.choice(NAMED) if slot[1] == "named" else slot[1]
        text = _DRAWN[kind](chance)
        text = text.lower() if speaker.untidy else text
        words.append(text)
        if kind in TYPES:
            found.append(Entity(kind, text))
    return Draft(" ".join(words), to_text(found))
