"""The candidate on trial, looked at with what the settings and the store say: by the worker, or by hand."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from routenlp import wiring
from routenlp.conformal.verdict import Status
from routenlp.errors import ArtefactError, MissingData
from routenlp.loop.clusters import assign
from routenlp.loop.compared import NO_SEGMENT
from routenlp.settings import Settings
from routenlp.store import segments
from routenlp.store.policy_versions import Pointer, PolicyVersions
from routenlp.store.sql.database import open_store
from routenlp.types import Query
from routenlp.wiring import Serving
from routenlp.worker.trial import Judge, Looked
from routenlp.worker.trial_rows import AuditComparer, Side
from routenlp.worker.turn.plan import middle


@contextmanager
def trial_judge(settings: Settings, store: Path) -> Iterator[Judge]:
    """A judge of trials on this store, with connections of its own."""
    connections = [open_store(store), open_store(store)]
    try:
        yield _judge(settings, store, *connections)
    finally:
        for connection in connections:
            connection.close()


def words(looked: Looked) -> str:
    """One look."""
    share = f", serves {looked.share:.0%}" if looked.share else ""
    missing = f" {looked.left_out} audits could not be compared." if looked.left_out else ""
    aside = f" {looked.set_aside} wait for people, who graded others of their task." if looked.set_aside else ""
    return f"Policy {looked.version} is {looked.state}{share}: {looked.reason}{_graders(looked)}{aside}{missing}"


def _graders(looked: Looked) -> str:
    """Whose grades it rests on, where not on people's alone."""
    counts = sum((Counter(its) for its in looked.graded_by.values()), Counter[str]())
    if set(counts) <= {"people"}:
        return ""
    by = ", ".join(f"{n} by {'people' if who == 'people' else f'the {who}'}" for who, n in sorted(counts.items()))
    return f" Audits were graded {by}."


def _judge(settings: Settings, store: Path, connection: sqlite3.Connection, audits: sqlite3.Connection) -> Judge:
    handled_at = {name: task.handled_at for name, task in settings.tasks.items()}
    versions = PolicyVersions(store, connection)
    return Judge(store, versions, audits, _Comparers(settings, versions), handled_at, time.time)


class _Comparers:
    """The comparer of the two policies of now; kept, with all that it has compared, as long as they stay."""

    def __init__(self, settings: Settings, versions: PolicyVersions) -> None:
        self._settings = settings
        self._versions = versions
        self._of: tuple[str, str] = ("", "")
        self._kept: AuditComparer | None = None

    def __call__(self, pointer: Pointer) -> AuditComparer:
        pair = (str(pointer.active), str(pointer.candidate))
        if self._kept is None or pair != self._of:
            current, candidate = (self._side(name) for name in pair)
            metrics = {name: task.metric for name, task in self._settings.tasks.items()}
            self._of, self._kept = pair, AuditComparer(current, candidate, metrics, self._segment_of(pair[1]))
        return self._kept

    def _segment_of(self, version: str) -> Callable[[Query], int] | None:
        """Where the turn's gate placed its rows; None where the version has no segments."""
        spaces = segments.read(self._versions.folder(version))
        if not spaces:
            return None
        rich = wiring.minilm(self._settings, lambda _: None).with_pooling(rich=True)
        if any(space.mean.shape != (rich.dim // 3,) for space in spaces.values()):
            raise ArtefactError(version, "has segments of another encoder", "Reject it: `routenlp policies rollback`.")

        def segment_of(query: Query) -> int:
            space = spaces.get(query.task)
            return NO_SEGMENT if space is None else int(assign(space, middle(rich.encode([query.text])))[0])

        return segment_of

    def _side(self, version: str) -> Side:
        folder = self._versions.folder(version)
        serving = wiring.serving_policy(self._settings, folder)
        if serving is None:
            raise MissingData(str(folder), "holds no policy", "Restore it, or roll back.")
        students = wiring.load_students(self._settings, serving.students)
        return Side(serving.policy, _routed(self._settings, serving), students)


def _routed(settings: Settings, serving: Serving) -> frozenset[str]:
    """As the gateway says which tasks cheap tiers may serve."""

    def may_serve(task: str, status: Status) -> bool:
        given = settings.tasks.get(task)
        weakest = Status(given.serve_when) if given is not None else Status.ASYMPTOTIC
        return status is not Status.UNCERTIFIED and status.at_least(weakest)

    return frozenset(task for task, status in serving.statuses.items() if may_serve(task, status))
