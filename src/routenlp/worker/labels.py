"""Gold labels as a file round trip: audited queries out, a person's references or grades in.

One JSON object a line:

    {"id": TRACE, "task": ..., "request": [...], "answers": {"A": text, ...}, "reference": null, "quality": {"A": null}}

Answers stand under letters, in an order drawn by the id, so that nobody sees which tier gave which; equal answers share
a letter. Fill in `reference` (what the answer should have been; graded by the task's metric), or a quality from 0 to 1
for the letters, or both, and leave the rest as it is. A query is done once all of its answers have a grade; until then
it is asked for again. Which queries are asked for is a draw too: a judge can only be
corrected by a random part of what it graded, so the share is put on record with every audit of the task.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from routenlp.draws import draw
from routenlp.errors import CorruptData, MissingData
from routenlp.store.content import ContentPolicy
from routenlp.store.sql import audits, statements
from routenlp.store.sql.audits import Audit, Grade
from routenlp.store.sql.database import transaction
from routenlp.worker.grading import against_reference

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_Quality = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class _Line(msgspec.Struct):
    id: str
    reference: str | None = None
    quality: dict[str, _Quality | None] = {}


_DECODER = msgspec.json.Decoder(_Line)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    references: int
    grades: int
    """Of answers, by persons and by metrics against their references."""
    empty: int
    """Lines that nobody filled in."""


def draw_waiting(connection: sqlite3.Connection, task: str, most: int) -> list[str]:
    """Audits of `task` that are to get a person's grades, in random order: about `most` are drawn, and those that an
    earlier draw brought are among them. What is graded whole already is left out.

    Of N audits whose answers are there, each is drawn with probability most / N, by its id, and that goes on record
    with each of them, drawn or not. Every beginning of the order is a random part of the queries too.
    """
    names = [name for (name,) in connection.execute(statements.LABELABLE, (task,))]
    if not names:
        return []
    with transaction(connection):
        connection.execute(statements.DRAW_GOLD, (min(1.0, most / len(names)), task))
    shares = dict(connection.execute(statements.GOLD_SHARES, (task,)).fetchall())
    drawn = [name for name in names if gold_draw(name) < shares[name]]
    return [name for name in sorted(drawn, key=gold_draw) if not audits.people_graded(connection, name)]


def tasks_by_need(connection: sqlite3.Connection) -> list[str]:
    """Audited tasks, those first whose judge needs people most: an alarm is open, then the fewest graded by people."""
    return [task for (task,) in connection.execute(statements.TASKS_BY_NEED)]


def export(connection: sqlite3.Connection, task: str, most: int) -> Iterator[str]:
    """Lines for the queries of `draw_waiting`, in its order."""
    for name in draw_waiting(connection, task, most):
        audit = audits.read_audit(connection, name)
        if audit.request is not None:
            yield _as_line(audit)


def import_labels(
    connection: sqlite3.Connection,
    lines: Iterable[tuple[str, str]],
    metrics: Mapping[str, str],
    content: ContentPolicy,
    *,
    grader: str,
    now_s: float,
    judged: bool = False,
) -> Imported:
    """Stores nothing unless every line can be read. `lines`: where each stands, and its text; `metrics`: by task.

    `judged`: there is a judge, which is to grade these queries too, so that it can be corrected; else they are done.
    Said again, a label replaces what the same grader said before. Raises `CorruptData` for a line that cannot be
    read, a quality outside [0, 1] or a letter that was not shown, and `MissingData` for an id of no audit.
    """
    found = [_read(connection, where, text) for where, text in lines]
    filled = [(line, audit) for line, audit in found if line.reference is not None or _given(line)]
    references = grades = 0
    for line, audit in filled:
        made = [Grade(tier, "gold", grader, quality) for tier, quality in _by_tier(line, audit).items()]
        if line.reference is not None:
            reference = str(content.clean(line.reference))
            with transaction(connection):
                connection.execute(statements.PUT_GOLD, (audit.trace_id, now_s, grader, reference))
            references += 1
            made += against_reference(reference, audit, metrics)
        done = not judged and audits.people_graded(connection, audit.trace_id, made)
        state: audits.State | None = "graded" if done else None
        audits.put_grades(connection, audit, made, now_s=now_s, state=state, again_s=0.0)
        grades += len(made)
    return Imported(references, grades, len(found) - len(filled))


def gold_draw(trace_id: str) -> float:
    """In [0, 1), unlike the draw that made it an audit. An audit is drawn for gold where this is under its share."""
    return draw("gold", trace_id)


def letters(audit: Audit) -> dict[str, tuple[str, ...]]:
    """By letter, the tiers that gave this answer."""
    by_text: dict[str, list[str]] = {}
    for tier in audit.tiers:
        if tier in audit.answers:
            by_text.setdefault(audit.answers[tier], []).append(tier)

    def drawn(text: str) -> bytes:
        return hashlib.sha256(f"letter\0{audit.trace_id}\0{text}".encode("utf-8", "replace")).digest()

    return {letter: tuple(by_text[text]) for letter, text in zip(_LETTERS, sorted(by_text, key=drawn), strict=False)}


def _as_line(audit: Audit) -> str:
    shown = letters(audit)
    line = {
        "id": audit.trace_id,
        "task": audit.task,
        "request": (audit.request or {}).get("messages", []),
        "answers": {letter: audit.answers[tiers[0]] for letter, tiers in shown.items()},
        "reference": None,
        "quality": dict.fromkeys(shown),
    }
    return json.dumps(line, ensure_ascii=False)


def _read(connection: sqlite3.Connection, where: str, text: str) -> tuple[_Line, Audit]:
    try:
        line = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise CorruptData(where, f"is no label ({exc})", "Mend it: nothing of the file was stored.") from exc
    try:
        audit = audits.read_audit(connection, line.id)
    except KeyError as exc:
        raise MissingData(where, f"is of {line.id!r}, which is no audit", "Leave ids as they were exported.") from exc
    if audit.state not in ("answered", "graded"):
        raise CorruptData(where, f"is of an audit that is {audit.state}", "Label what `label export` wrote.")
    unknown = sorted(set(line.quality) - set(letters(audit)))
    if unknown and any(line.quality[letter] is not None for letter in unknown):
        raise CorruptData(where, f"grades {unknown[0]!r}, which was not shown", "Grade the letters in `answers`.")
    return line, audit


def _given(line: _Line) -> bool:
    return any(quality is not None for quality in line.quality.values())


def _by_tier(line: _Line, audit: Audit) -> dict[str, float]:
    shown = letters(audit)
    return {
        tier: quality
        for letter, quality in line.quality.items()
        if quality is not None
        for tier in shown.get(letter, ())
    }
