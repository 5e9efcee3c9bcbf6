"""Two answers to one query, compared by people who do not know whose they are: out to a file and back.

One JSON object a line:

    {"id": ..., "rater": NAME, "task": ..., "request": [...], "A": text, "B": text, "verdict": null}

One of the two answers was served, by another tier than the top one; the other is the top tier's. Which is which is
drawn anew for every rater and pair, and only the store knows. Fill in `verdict`: "A", "B" or "tie"; leave what you
cannot say. Judges' grades, feedback and preferences never get here: what no person compared is not rated.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from routenlp.errors import CorruptData, MissingData
from routenlp.store.sql.pairs import (
    Pair,
    Rating,
    Verdict,
    ask,
    draw_pairs,
    drawn_of,
    pairable,
    put_verdicts,
    read_rating,
)

SAID = ("A", "B", "tie")
_NOTHING = "Mend it: nothing of the file was stored."


class _Line(msgspec.Struct):
    id: str
    rater: str | None = None
    verdict: str | None = None


_DECODER = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn of one task."""

    pairs: tuple[Pair, ...]
    """To be asked of people, in a random order."""
    same: int
    """Pairs of equal answers, drawn too: ties that nobody is asked about."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    verdicts: int
    """That it holds."""
    new: int
    """Of them, those that were not on record like that before."""
    empty: int
    """Lines that say nothing."""


def draw_task(connection: sqlite3.Connection, task: str, top: str, most: int, now_s: float) -> Drawn:
    """About `most` pairs of `task`, and those that an earlier draw brought.

    Of N audited queries that another tier than `top` answered, each is drawn with probability most / N by its id, and
    that goes on record with each of them.
    """
    found = pairable(connection, task, top)
    if not found:
        return Drawn((), 0)
    draw_pairs(connection, task, found, min(1.0, most / len(found)), now_s)
    drawn = drawn_of(connection, task, found)
    return Drawn(tuple(pair for pair in drawn if not pair.same), sum(pair.same for pair in drawn))


def waiting(
    connection: sqlite3.Connection, drawn: Drawn, rater: str, entropy: Callable[[int], bytes]
) -> Iterator[tuple[Pair, Rating]]:
    """Pairs that `rater` has said nothing of, in order. `entropy`: as in `store.sql.pairs.ask`."""
    for pair in drawn.pairs:
        rating = ask(connection, pair, rater, entropy)
        if rating.verdict is None:
            yield pair, rating


def shown(pair: Pair, rating: Rating) -> tuple[str, str]:
    """The texts under A and B."""
    return (pair.served, pair.top) if rating.served_first else (pair.top, pair.served)


def as_line(pair: Pair, rating: Rating) -> str:
    """Of a file."""
    first, second = shown(pair, rating)
    line = {
        "id": rating.id,
        "rater": rating.rater,
        "task": pair.audit.task,
        "request": (pair.audit.request or {}).get("messages", []),
        "A": first,
        "B": second,
        "verdict": None,
    }
    return json.dumps(line, ensure_ascii=False)


def meant(rating: Rating, said: str) -> Verdict:
    """What "A", "B" or "tie" says of the answer that was served."""
    if said == "tie":
        return "tie"
    return "win" if (said == "A") == rating.served_first else "loss"


def spoken(rating: Rating) -> str | None:
    """The inverse of `meant`: what the rater said; None where nothing yet."""
    return next((said for said in SAID if meant(rating, said) == rating.verdict), None)


def import_verdicts(connection: sqlite3.Connection, lines: Iterable[tuple[str, str]], now_s: float) -> Imported:
    """Stores nothing unless every line can be read. `lines`: where each stands, and its text.

    Said again in another file, a verdict replaces what the same rater said before; nothing said leaves it. Raises
    `CorruptData` for a line that cannot be read, another word than A, B or tie, a line of somebody else, and one id
    with two verdicts; `MissingData` for an id that this store did not give.
    """
    said: dict[str, tuple[str, Verdict]] = {}
    empty = 0
    for where, text in lines:
        line, rating = _read(connection, where, text)
        word = (line.verdict or "").strip()
        if not word:
            empty += 1
            continue
        if word not in SAID:
            raise CorruptData(where, f"has the verdict {word!r}", f"Write A, B or tie, or leave it null. {_NOTHING}")
        verdict = meant(rating, word)
        first, before = said.setdefault(line.id, (where, verdict))
        if before != verdict:
            raise CorruptData(where, f"says otherwise of {line.id!r} than {first}", _NOTHING)
    new = put_verdicts(connection, {name: verdict for name, (_, verdict) in said.items()}, now_s)
    return Imported(len(said), new, empty)


def _read(connection: sqlite3.Connection, where: str, text: str) -> tuple[_Line, Rating]:
    try:
        line = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise CorruptData(where, f"is no comparison ({exc})", _NOTHING) from exc
    rating = read_rating(connection, line.id)
    if rating is None:
        raise MissingData(where, f"is of {line.id!r}, which was never asked", f"Leave ids as exported. {_NOTHING}")
    if line.rater is not None and line.rater != rating.rater:
        problem = f"is {line.rater!r}'s, and {line.id!r} was asked of {rating.rater!r}"
        raise CorruptData(where, problem, f"Export a file for each rater. {_NOTHING}")
    return line, rating
