"""Turns of the loop within the pilot, and the trial that each candidate goes through, by the worker's own code.

Tasks that a judge grades are not taught: their students answer few queries well enough to serve, and refitting them and
answering their held-out rows took half of a turn's time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from routenlp.bench.pilot.answers import AnswerBook
from routenlp.bench.pilot.front import Front, Side
from routenlp.bench.pilot.system import JUDGED_TASKS
from routenlp.contracts import Student
from routenlp.loop.clusters import assign
from routenlp.loop.compared import NO_SEGMENT
from routenlp.settings import Settings
from routenlp.store import segments
from routenlp.store.policy_versions import Pointer, PolicyVersions
from routenlp.types import Parts, Prediction, Query
from routenlp.worker import trial_rows
from routenlp.worker.trial import Judge, Looked
from routenlp.worker.trial_rows import AuditComparer
from routenlp.worker.turn import run
from routenlp.worker.turn.plan import middle
from routenlp.worker.turn.run import Order, Stages
from routenlp.worker.turn.system import Encoders

LESSONS = 500
"""Of each task and turn, at most: the default of `routenlp turn`."""


@dataclass(frozen=True, slots=True)
class TurnSeen:
    """One turn."""

    day: int
    outcome: str
    version: str | None
    lessons: int
    unpaid_usd: float
    """For lessons that the top tier had not answered in the traffic."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _FromBook:
    """A student that has answered everything already."""

    book: AnswerBook
    tier: str
    task: str
    fingerprint: str

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """By the id that the client gave."""
        return [self.book.said(self.tier, self.task, self.fingerprint, q.metadata["query_id"]) for q in queries]

    def parts(self) -> Parts:
        """Raises `TypeError`: what it says is in the book."""
        raise TypeError("a student that answers from the book is stored nowhere")


@dataclass(slots=True, eq=False)
class Loop:
    """`connection`: its own, to the store of the settings."""

    settings: Settings
    store: Path
    front: Front
    connection: sqlite3.Connection
    clock: Callable[[], float]
    encoders: Encoders
    stages: Stages
    looked: list[Looked] = field(default_factory=list)
    """That moved a candidate."""
    _compared: tuple[tuple[str, str], AuditComparer] | None = None

    def turn(self, day: int) -> TurnSeen:
        """Plans, asks the top tier for what it has not answered, refits, proves and gates."""
        book, spent = self.front.book, []

        def ask(query: Query) -> str | None:
            item = book.item_named(query.id)
            answer = book.answer(book.portfolio.top, item, "", self.front.moment)
            spent.append(answer.cost_usd)
            return answer.text

        ended = run.run_turn(
            self.settings, self.store, self._order(), self.encoders, now=self.clock, ask=ask, stages=self.stages
        )
        taught = ended.evidence.get("plan", {}).get("tasks", [])
        lessons = sum(len(task["lessons"]) for task in taught)
        return TurnSeen(day, ended.outcome, ended.version, lessons, float(np.sum(spent)), ended.reasons)

    def _order(self) -> Order:
        return Order(LESSONS, tasks=frozenset(self.settings.tasks) - JUDGED_TASKS)

    def look(self) -> None:
        """One look at the candidate on trial, where there is one."""
        handled_at = {name: task.handled_at for name, task in self.settings.tasks.items()}
        versions = PolicyVersions(self.store, self.connection)
        judge = Judge(self.store, versions, self.connection, self._comparer, handled_at, self.clock)
        found = judge.look()
        if found is not None and found.moved:
            self.looked.append(found)

    def _comparer(self, pointer: Pointer) -> AuditComparer:
        pair = (str(pointer.active), str(pointer.candidate))
        if self._compared is None or self._compared[0] != pair:
            root = PolicyVersions(self.store, self.connection)
            current, candidate = (self._side(self.front.side_of(root.folder(name))) for name in pair)
            metrics = {name: task.metric for name, task in self.settings.tasks.items()}
            segment_of = self._segment_of(root.folder(pair[1]))
            self._compared = pair, AuditComparer(current, candidate, metrics, segment_of)
        return self._compared[1]

    def _side(self, side: Side) -> trial_rows.Side:
        routed = frozenset(task for task, served in side.tasks.items() if served.routed)
        students: Mapping[str, Mapping[str, Student]] = {
            tier: {task: _FromBook(self.front.book, tier, task, mark) for task, mark in by_task.items()}
            for tier, by_task in side.policy.models.items()
        }
        return trial_rows.Side(side.policy, routed, students)

    def _segment_of(self, folder: Path) -> Callable[[Query], int] | None:
        spaces = segments.read(folder)
        if not spaces:
            return None

        def segment_of(query: Query) -> int:
            space = spaces.get(query.task)
            vectors = middle(self.encoders.rich.encode([query.text]))
            return NO_SEGMENT if space is None else int(assign(space, vectors)[0])

        return segment_of
