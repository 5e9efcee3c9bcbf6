"""Every change of what serves, in order: which policy or threshold gave way to which, what called for it, on what.

A person's part is told apart: `by hand` went past the evidence, `asked for` began what the evidence then decided. What
the record cannot explain counts as by hand: a policy that served, and that no recorded move had put there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from routenlp.loop.lifecycle import State
from routenlp.store.policy_versions import Move, Version
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt
from routenlp.store.sql.reported import Period, ServedPolicy

TOP = "the top tier"
NOTHING = "nothing on record"
"""What served before the first version: a folder that the settings name, or the top tier."""
_PEOPLE = "policies "
"""What the holder of the lock is called where a person typed the command."""
_BY_HAND = "by hand"
_AGAIN = "calibrated again"


class By(StrEnum):
    """Who changed it."""

    ITSELF = "by itself"
    ASKED = "asked for by a person, decided on evidence"
    HAND = "by hand"


@dataclass(frozen=True, slots=True)
class Change:
    """What served before, and after."""

    at_s: float
    task: str | None
    """None: of all tasks."""
    before: str
    after: str
    share: float
    """Of the conversations, that is served so from then on."""
    trigger: str
    by: By
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Of a period."""

    made: tuple[Change, ...]
    tried: tuple[Attempt, ...]
    """Calibrations that changed nothing."""
    moves: int
    """Moves of policy versions on record, in the whole history: what the count by hand rests on."""

    def by(self, whom: By) -> int:
        """How many of them."""
        return sum(change.by is whom for change in self.made)


@dataclass(frozen=True, slots=True)
class History:
    """The whole record of changes, each the oldest first."""

    moves: Sequence[Move]
    versions: Sequence[Version]
    attempts: Sequence[Attempt]
    alarms: Sequence[Alarm]
    served: Sequence[ServedPolicy]


def changes(history: History, period: Period) -> Changes:
    """All of the period; before a moment it is the whole history that says what served."""
    every = [*_moved(history), *_alarmed(history.alarms), *_unexplained(history)]

    def within(at_s: float, task: str | None) -> bool:
        return period.since_s <= at_s < period.until_s and (period.task is None or task in (None, period.task))

    made = sorted((c for c in every if within(c.at_s, c.task)), key=lambda change: change.at_s)
    tried = tuple(a for a in history.attempts if a.version is None and within(a.at_s, a.task))
    return Changes(tuple(made), tried, len(history.moves))


def _moved(history: History) -> list[Change]:
    origins = {version.id: version.origin for version in history.versions}
    active = NOTHING
    found = []
    for move in history.moves:
        origin = origins.get(move.version, "not on record")
        if move.after is State.ACTIVE and move.before is not State.ACTIVE:
            found.append(_of_move(move, active, move.version, 1.0, origin))
            active = move.version
        elif move.after is State.CANARY and _new_share(found, move):
            found.append(_of_move(move, active, move.version, move.share, origin))
        elif move.after is State.REJECTED and move.before is State.CANARY:
            found.append(_of_move(move, move.version, active, 1.0, origin))
        elif move.after is State.REJECTED and move.before is State.ACTIVE:
            found.append(_of_move(move, move.version, TOP, 1.0, origin))
            active = TOP
    return found


def _new_share(found: Sequence[Change], move: Move) -> bool:
    """Whether a canary's share is another than before: most notes only keep a day's figures."""
    before = next((c.share for c in reversed(found) if c.after == move.version), None)
    return before != move.share


def _of_move(move: Move, before: str, after: str, share: float, origin: str) -> Change:
    kind = move.evidence.get("kind")
    by = By.ITSELF
    if move.who.startswith(_PEOPLE):
        by = By.HAND if kind in (_BY_HAND, "roll-back") else By.ASKED
    elif move.evidence.get("trigger") == _BY_HAND:
        by = By.ASKED
    task = str(move.evidence["task"]) if kind == "recalibration" else None
    return Change(move.at_s, task, before, after, share, _trigger(move, origin), by, move.evidence)


def _trigger(move: Move, origin: str) -> str:
    kind = move.evidence.get("kind")
    if kind == "recalibration":
        return str(move.evidence["trigger"])
    if kind == "first" or (kind == _BY_HAND and not move.who.startswith(_PEOPLE)):
        return "the first policy on record, as it served before"
    return {"roll-back": "taken back", _BY_HAND: _BY_HAND}.get(str(kind), origin)


def _alarmed(alarms: Sequence[Alarm]) -> list[Change]:
    found = []
    for alarm in alarms:
        policy = f"policy {alarm.policy[:12]}"
        found.append(Change(alarm.raised_s, alarm.task, policy, TOP, 1.0, "alarm", By.ITSELF, alarm.evidence))
        if alarm.cleared_s is not None and not (alarm.cleared_by or "").startswith(_AGAIN):
            by = By.HAND if (alarm.cleared_by or "").startswith(_BY_HAND) else By.ITSELF
            why = {"kind": "alarm cleared", "by": alarm.cleared_by}
            found.append(Change(alarm.cleared_s, alarm.task, TOP, "its policy", 1.0, "alarm cleared", by, why))
    return found


def _unexplained(history: History) -> list[Change]:
    """Policies in the traffic that no move put there: each recorded move explains one new policy at most."""
    moments = [m.at_s for m in history.moves if m.after in (State.ACTIVE, State.CANARY) and m.before is not m.after]
    found = []
    for before, after in zip(history.served, history.served[1:], strict=False):
        explained = next((at_s for at_s in moments if before.first_s <= at_s <= after.first_s), None)
        if explained is not None:
            moments.remove(explained)
            continue
        why = {"kind": "settings", "requests": after.requests}
        names = (f"policy {before.policy[:12]}", f"policy {after.policy[:12]}")
        found.append(Change(after.first_s, None, *names, 1.0, "settings: folder, prices or tasks", By.HAND, why))
    return found
