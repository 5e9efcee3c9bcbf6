"""Pairs that people compare: of an audited query the answer that was served and the top tier's, and who said what.

A rating's id is drawn for one pair and one rater, and only this store knows what it stands for: which query, and which
of the two answers came first. A verdict is a person's alone; nothing else writes here.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from routenlp.draws import draw
from routenlp.store.sql import report_statements, statements
from routenlp.store.sql.audits import Audit, read_audit
from routenlp.store.sql.database import transaction
from routenlp.store.sql.reported import Period

Verdict = Literal["win", "tie", "loss"]
"""Of the answer that was served, beside the top tier's."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one audited query."""

    audit: Audit
    served_tier: str
    top_tier: str

    @property
    def served(self) -> str:
        """The text that the client got."""
        return self.audit.answers[self.served_tier]

    @property
    def top(self) -> str:
        """The top tier's text."""
        return self.audit.answers[self.top_tier]

    @property
    def same(self) -> bool:
        """Nobody could tell them apart, so that nobody is asked: a tie."""
        return self.served.strip() == self.top.strip()


@dataclass(frozen=True, slots=True)
class Rating:
    """One pair as one person is asked about it."""

    id: str
    trace_id: str
    rater: str
    served_first: bool
    """Whether A is the answer that was served."""
    served_tier: str
    top_tier: str
    verdict: Verdict | None
    """None: this person has not said."""


@dataclass(frozen=True, slots=True)
class ReportedPair:
    """A pair that was drawn, with all verdicts on it."""

    trace_id: str
    task: str
    propensity: float
    """Of being audited and then drawn."""
    top: str
    same: bool
    group: str
    """Its conversation's."""
    verdicts: Mapping[str, Verdict]
    """By rater."""
    first_chosen: Mapping[str, bool]
    """By rater whose verdict is no tie: whether A was chosen."""


def pairable(connection: sqlite3.Connection, task: str, top: str) -> list[Pair]:
    """Audits of `task` that another tier than `top` answered, where both texts are on record still."""
    found = []
    for name, served in connection.execute(statements.PAIRABLE, (task, top, top)).fetchall():
        audit = read_audit(connection, name)
        if audit.request is not None and {served, top} <= audit.answers.keys():
            found.append(Pair(audit, served, top))
    return found


def draw_pairs(connection: sqlite3.Connection, task: str, found: Sequence[Pair], share: float, now_s: float) -> None:
    """Each of `found` is drawn with probability `share` by its id, or more where it was asked for before; that goes on
    record with each of them, drawn or not."""
    with transaction(connection):
        for pair in found:
            connection.execute(statements.DRAW_PAIR, (share, pair.audit.trace_id))
        shares = dict(connection.execute(statements.PAIR_SHARES, (task,)).fetchall())
        for pair in found:
            name = pair.audit.trace_id
            if pair_draw(name) < shares[name]:
                row = (name, now_s, pair.served_tier, pair.top_tier, int(pair.same))
                connection.execute(statements.PUT_PAIR, row)


def drawn_of(connection: sqlite3.Connection, task: str, found: Sequence[Pair]) -> list[Pair]:
    """Those of `found` that were drawn, in a random order: every beginning of it is a random part of them."""
    shares = dict(connection.execute(statements.PAIR_SHARES, (task,)).fetchall())
    drawn = [pair for pair in found if pair_draw(pair.audit.trace_id) < shares.get(pair.audit.trace_id, 0.0)]
    return sorted(drawn, key=lambda pair: pair_draw(pair.audit.trace_id))


def pair_draw(trace_id: str) -> float:
    """In [0, 1), unlike the draws for an audit and for gold. A pair is drawn where this is under its share."""
    return draw("pair", trace_id)


def ask(connection: sqlite3.Connection, pair: Pair, rater: str, entropy: Callable[[int], bytes]) -> Rating:
    """The rating by which `rater` is asked of `pair`; made where there is none yet.

    `entropy(n)`: n bytes that nobody can guess. They give the id, and which answer comes first.
    """
    with transaction(connection):
        row = (entropy(16).hex(), pair.audit.trace_id, rater, entropy(1)[0] & 1)
        connection.execute(statements.ASK_RATER, row)
        return _rating(*connection.execute(statements.RATING_OF, (pair.audit.trace_id, rater)).fetchone())


def read_rating(connection: sqlite3.Connection, name: str) -> Rating | None:
    """None for an id that this store did not give."""
    row = connection.execute(statements.RATING, (name,)).fetchone()
    return None if row is None else _rating(*row)


def put_verdicts(connection: sqlite3.Connection, said: Mapping[str, Verdict], now_s: float) -> int:
    """By rating's id; all or nothing. Returns how many are new or changed: the same again is neither."""
    with transaction(connection):
        rows = [(verdict, now_s, name, verdict) for name, verdict in said.items()]
        return sum(connection.execute(statements.PUT_VERDICT, row).rowcount for row in rows)


def reported_pairs(connection: sqlite3.Connection, period: Period) -> list[ReportedPair]:
    """Of the audits whose requests came in the period."""
    bounds = (period.since_s, period.until_s, period.task, period.task)
    said: dict[str, dict[str, tuple[Verdict, bool]]] = defaultdict(dict)
    for name, rater, verdict, served_first in connection.execute(report_statements.REPORTED_RATINGS, bounds):
        said[name][rater] = verdict, bool(served_first)
    return [
        ReportedPair(
            name,
            task,
            chance,
            top,
            bool(same),
            msgspec.json.decode(detail).get("group") or name,
            {rater: verdict for rater, (verdict, _) in said[name].items()},
            {rater: (verdict == "win") == first for rater, (verdict, first) in said[name].items() if verdict != "tie"},
        )
        for name, task, chance, top, same, detail in connection.execute(report_statements.REPORTED_PAIRS, bounds)
    ]


def _rating(
    name: str, trace_id: str, rater: str, served_first: int, served: str, top: str, verdict: Verdict | None
) -> Rating:
    return Rating(name, trace_id, rater, bool(served_first), served, top, verdict)
