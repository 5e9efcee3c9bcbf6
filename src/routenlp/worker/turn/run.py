"""One turn, from the record to a candidate in the shadow, or to the reason why there is none.

    plan ─▶ teach ─▶ distil ─▶ calibrate ─▶ store ─▶ gate ─▶ end
      │       │                                       │
      └───────┴── nothing to learn ──▶ end            └── rejected ──▶ end

Only tasks with lessons take part from `teach` on: the others are as they were, bit for bit, and nothing is gated of
them. A task with a cheap tier that is no student, and one whose gate rows could prove nothing, get no lessons; and
one that its lessons made worse, as calibration rows show, is put back to what it was before the gate looks, so that it
does not reject the others with it.

Every stage leaves what it decided on in the turn's journal. After a kill the next turn goes on: stages that were
finished are read, the one that was not is done again. What serves is touched by none of them: the gate moves a
candidate into the shadow, beside the policy in force.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from routenlp.errors import MissingData
from routenlp.grading.metrics import metric
from routenlp.loop.compared import as_evidence
from routenlp.loop.contamination import refuse_overlap, take_prints
from routenlp.loop.delta import Spent, next_level, row_keys
from routenlp.loop.gate import Bar, judge, losing
from routenlp.loop.lessons import Lesson, Taught, ask_teacher
from routenlp.loop.lifecycle import State
from routenlp.settings import Settings
from routenlp.store import segments
from routenlp.store.policy_versions import PolicyVersions, open_versions
from routenlp.store.rows_book import TaskRows
from routenlp.store.sql import monitoring
from routenlp.store.sql.database import open_reader
from routenlp.store.sql.served import served_since
from routenlp.store.turn_lock import Held, hold
from routenlp.training.distil.distiller import Distilled
from routenlp.training.distil.students import StudentDistiller, StudentTask
from routenlp.types import ClusterSpace, Example, Query
from routenlp.worker.trial import promises_of
from routenlp.worker.turn.compare import compare
from routenlp.worker.turn.journal import Journal, Stage, journals, open_journal
from routenlp.worker.turn.learn import TaskProof, make_candidate
from routenlp.worker.turn.plan import DAY_S, Limits, TurnPlan, plan_turn, sentence
from routenlp.worker.turn.system import Encoders, TurnSystem, load_system, nothing_to_teach
from routenlp.worker.turn.traffic import Came, LeftOut, traffic

Advance = Callable[[int, int], None]
Stages = Callable[[str], AbstractContextManager[Advance]]
"""Told what begins; the context is the stage, and what it gives is told how far it is."""
Ask = Callable[[Query], str | None]
"""The teacher: the top tier's answer; None where it has none."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a turn may do."""

    lessons: int = 500
    """Of each task, at most."""
    fewest: int = 20
    """Of all tasks together, under which there is nothing to learn from."""
    bar: Bar = field(default_factory=Bar)
    tasks: frozenset[str] | None = None
    """That may learn; None: all of which there are rows."""

    def of(self, known: Collection[str]) -> list[str]:
        """Of the tasks with rows, those that may learn. Raises `MissingData` for one that there are no rows of."""
        for task in sorted((self.tasks or frozenset()) - set(known)):
            raise MissingData(f"task {task!r}", "has no rows that a turn could begin with", f"Known: {sorted(known)}.")
        return [task for task in known if self.tasks is None or task in self.tasks]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a turn ended."""

    turn: int
    outcome: str
    """`shadow`, `rejected`, `superseded`, or `nothing to learn`."""
    reasons: tuple[str, ...]
    version: str | None
    evidence: Mapping[str, Any]
    """Of every stage, as it stands in the journal."""


def plan_only(
    settings: Settings, store: Path, order: Order, encoders: Encoders, *, now_s: float, stages: Stages
) -> TurnPlan:
    """What the next turn would do. Spends nothing, writes nothing."""
    with open_versions(store) as versions:
        folder, looks = folder_in_force(settings, versions), versions.looks()
    with stages("reading the system that serves"):
        system = load_system(settings, folder, encoders)
    with stages("looking at what failed"):
        return look(system, store, order, looks, now_s)[0]


def run_turn(
    settings: Settings,
    store: Path,
    order: Order,
    encoders: Encoders,
    *,
    now: Callable[[], float],
    ask: Ask,
    stages: Stages,
) -> Ended:
    """One turn, or the rest of one that was killed. Raises `LockHeld` where another is at work.

    `ask` is called for lessons that the teacher has not answered in the traffic. Raises `ContaminatedLessons`, which
    ends the turn, should a lesson resemble a held-out row.
    """
    with hold(store, "turn", now()) as held, open_versions(store) as versions:
        folder = _bring_under(settings, versions, held, now())
        with stages("reading the system that serves"):
            system = load_system(settings, folder, encoders)
        turn = _Turn(system, store, order, open_journal(store), now, stages)
        return turn.run(versions, held, ask)


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    system: TurnSystem
    store: Path
    order: Order
    journal: Journal
    now: Callable[[], float]
    stages: Stages

    def run(self, versions: PolicyVersions, held: Held, ask: Ask) -> Ended:
        begun = self.journal.read(Stage.PLAN) if self.journal.has(Stage.PLAN) else None
        if begun is not None and begun["base"] != self.system.folder.name and not self.journal.has(Stage.STORE):
            why = f"It began with {begun['base']}, and {self.system.folder.name} serves now: turn again."
            return self._end("superseded", (why,), None)
        plan, came = self._planned(versions)
        if (nothing := plan.why_not(self.order.fewest)) is not None:
            return self._end("nothing to learn", (*plan.left_as_they_are, nothing), None)
        rows = self._taught(plan, came, ask)
        if not rows:
            silent = "The teacher answered none of the lessons."
            return self._end("nothing to learn", (*plan.left_as_they_are, silent), None)
        made = self._distilled(rows)
        candidate = self._calibrated(made, rows)
        lost = self.journal.read(Stage.CALIBRATE).get("losing", {})
        left = (*map(_left, lost.items()), *plan.left_as_they_are)
        rows = {task: its for task, its in rows.items() if task not in lost}
        spaces = {task.task: task.space for task in plan.tasks if task.task in rows and task.space is not None}
        if not (candidate / segments.SEGMENTS).is_dir():
            segments.write(candidate, spaces)
        version = self._stored(versions, held, candidate)
        outcome, reasons = self._gated(versions, held, version, candidate, sorted(rows), spaces)
        return self._end(outcome, (*reasons, *left), version)

    def _planned(self, versions: PolicyVersions) -> tuple[TurnPlan, Mapping[str, Sequence[Came]]]:
        """Looked at again after a kill, as of the moment at which it was first looked at."""
        with self.stages("plan: what failed, and what to learn"):
            at_s = self.journal.read(Stage.PLAN)["at_s"] if self.journal.has(Stage.PLAN) else self.now()
            own = self.journal.read(Stage.STORE)["version"] if self.journal.has(Stage.STORE) else None
            looks = [look for look in versions.looks() if look.version != own]
            plan, came = look(self.system, self.store, self.order, looks, at_s, before=self.journal.number)
            if not self.journal.has(Stage.PLAN):
                self.journal.write(Stage.PLAN, {"at_s": at_s, "base": self.system.folder.name, **plan.as_json()})
            return plan, came

    def _taught(
        self, plan: TurnPlan, came: Mapping[str, Sequence[Came]], ask: Ask
    ) -> Mapping[str, tuple[TaskRows, tuple[Lesson, ...]]]:
        """By task that has any, its lessons, and its rows with them."""
        out: dict[str, tuple[TaskRows, tuple[Lesson, ...]]] = {}
        with self.stages("teach: the teacher's answers") as advance:
            said = self.journal.read(Stage.TEACH)["answers"] if self.journal.has(Stage.TEACH) else {}
            refused: dict[str, int] = {}
            asked = [task for task in plan.tasks if task.lessons]
            for task in asked:
                chosen = [came[task.task][i] for i in task.lessons]
                taught = self._lessons(task.task, chosen, said.get(task.task), ask)
                refused[task.task] = taught.refused
                out[task.task] = (self._with_lessons(task.task, taught.lessons), taught.lessons)
                advance(len(out), len(asked))
            if not self.journal.has(Stage.TEACH):
                answers = {t: {x.query.id: x.answer for x in lessons} for t, (_, lessons) in out.items()}
                self.journal.write(Stage.TEACH, {"answers": answers, "refused": refused})
        return {task: its for task, its in out.items() if its[1]}

    def _lessons(self, task: str, chosen: Sequence[Came], said: Mapping[str, str] | None, ask: Ask) -> Taught:
        top = self.system.top_of(task).name
        paid = {one.query.id: text for one in chosen if (text := teacher_answer(one, top)) is not None}

        def answer(query: Query) -> str | None:
            if said is not None:
                return said.get(query.id)
            return paid[query.id] if query.id in paid else ask(query)

        pairs = [(one.query, one.group) for one in chosen]
        return ask_teacher(pairs, top, answer, wanted=len(pairs))

    def _with_lessons(self, task: str, lessons: Sequence[Lesson]) -> TaskRows:
        """Raises `ContaminatedLessons`, and `FoldOverlap` where a lesson's group is a held-out row's."""
        rows, rich = self.system.rows[task], self.system.rich
        mine, theirs = [x.query for x in lessons], [e.query for e in rows.held_out]
        vectors = [sentence(rich.encode([q.text for q in queries]).astype(np.float32)) for queries in (mine, theirs)]
        refuse_overlap(take_prints(mine, vectors[0]), take_prints(theirs, vectors[1]), task=task)
        return rows.taught(Example(x.query, x.answer, x.group) for x in lessons)

    def _distilled(self, taught: Mapping[str, tuple[TaskRows, tuple[Lesson, ...]]]) -> tuple[Distilled, ...]:
        lessons = [lesson for _, its in taught.values() for lesson in its]
        with self.stages(f"distil: students refitted with {len(lessons)} lessons"):
            made = self._distiller().distil(lessons, self.journal.folder / "tiers")
            named = {version.tier: version.name for version in made}
            self.journal.write(Stage.DISTIL, {"versions": named, "lessons_sha256": made[0].lessons_sha256})
        return made

    def _distiller(self) -> StudentDistiller:
        system, settings = self.system, self.system.settings
        tasks = {
            name: StudentTask(
                str(settings.tasks[name].student),
                rows.train,
                settings.tasks[name].handled_at,
                frozenset(tier.name for tier in system.cheap_of(name)),
            )
            for name, rows in system.rows.items()
        }
        models = {tier.name: str(tier.model) for tier in system.student_tiers}
        current = {tier.name: system.folder / "tiers" / tier.name for tier in system.student_tiers}
        return StudentDistiller(models, current, tasks, system.encoders.plain, system.rich, settings.seed)

    def _calibrated(self, made: Sequence[Distilled], taught: Mapping[str, tuple[TaskRows, tuple[Lesson, ...]]]) -> Path:
        """The candidate: without tasks that their lessons made worse, as far as calibration rows show."""
        candidate = self.journal.folder / "candidate"
        with self.stages("calibrate: router, rules and certificates") as advance:
            if not self.journal.has(Stage.CALIBRATE):
                rows = {task: its for task, (its, _) in taught.items()}
                made_of = self._made(made, rows, candidate, advance)
                on = compare(self.system, candidate, rows, {}, lambda its: its.calibrate.examples)
                if found := losing(on, self.order.bar):
                    kept = {task: its for task, its in rows.items() if task not in found}
                    made_of = self._made(made, kept, candidate, advance)
                proofs = [asdict(proof) for proof in made_of]
                lost = {task.task: float(task.lost.mean()) for task in on if task.n}
                self.journal.write(Stage.CALIBRATE, {"proofs": proofs, "lost": lost, "losing": found})
        return candidate

    def _made(
        self, made: Sequence[Distilled], rows: Mapping[str, TaskRows], candidate: Path, advance: Advance
    ) -> tuple[TaskProof, ...]:
        shutil.rmtree(candidate, ignore_errors=True)  # of a stage that was not finished
        issued_at = datetime.fromtimestamp(self.now(), UTC)
        return make_candidate(self.system, made, rows, _alarmed(self.store), candidate, issued_at, advance)

    def _stored(self, versions: PolicyVersions, held: Held, candidate: Path) -> str:
        with self.stages("store: the candidate as a version of its own"):
            version = versions.add(held, candidate, origin=f"turn {self.journal.number}", now_s=self.now())
            if version.state is State.DRAFT:
                proofs = self.journal.read(Stage.CALIBRATE) if self.journal.has(Stage.CALIBRATE) else {}
                found = {"kind": "calibrated", **proofs}
                versions.move(held, version.id, State.CALIBRATED, found, now_s=self.now())
            self.journal.write(Stage.STORE, {"version": version.id})
        return version.id

    def _gated(
        self,
        versions: PolicyVersions,
        held: Held,
        version: str,
        candidate: Path,
        taught: Collection[str],
        spaces: Mapping[str, ClusterSpace],
    ) -> tuple[str, tuple[str, ...]]:
        """Outcome and reasons. A look at the gate fold is spent before it is taken, and not again for the same turn."""
        with self.stages("gate: the candidate beside the policy in force"):
            state = versions.find(version).state
            if state is State.CALIBRATED:
                compared = compare(self.system, candidate, taught, spaces)
                keys = row_keys(id_ for task in compared for id_ in task.ids)
                spent = [look for look in versions.looks() if look.version == version]
                level = spent[-1].level if spent else next_level(versions.looks(), keys)
                if not spent:
                    versions.log_look(held, version, level, keys, now_s=self.now())
                    versions.note(held, version, as_evidence(compared), now_s=self.now())
                handled_at = {name: task.handled_at for name, task in self.system.settings.tasks.items()}
                every = promises_of(versions.find(version), handled_at)
                promises = {task: promise for task, promise in every.items() if task in taught}
                seed = self.system.settings.seed
                verdict = judge(compared, self.order.bar, level=level, seed=seed, promises=promises)
                state = State.SHADOW if verdict.passed else State.REJECTED
                self.journal.write(Stage.GATE, verdict.evidence())
                versions.move(held, version, state, verdict.evidence(), now_s=self.now())
        outcome = "shadow" if state is State.SHADOW else "rejected"
        return outcome, tuple(self.journal.read(Stage.GATE)["reasons"])

    def _end(self, outcome: str, reasons: tuple[str, ...], version: str | None) -> Ended:
        self.journal.write(Stage.END, {"outcome": outcome, "reasons": list(reasons), "version": version})
        found = {str(stage): self.journal.read(stage) for stage in Stage if self.journal.has(stage)}
        found.get("teach", {}).pop("answers", None)  # what was said is nobody's evidence
        return Ended(self.journal.number, outcome, reasons, version, found)


def look(
    system: TurnSystem, store: Path, order: Order, looks: Sequence[Spent], now_s: float, *, before: int | None = None
) -> tuple[TurnPlan, Mapping[str, Sequence[Came]]]:
    """What failed, and what to learn of it. `before`: of turns with a lower number than this; None: of all that ended.

    Raises `SettingsError` where no task that is to learn can be refitted, `MissingData` without traffic.
    """
    wanted = order.of(system.every_row)
    unteachable = [system.unteachable[task] for task in wanted if task in system.unteachable]
    since_s = {task: _last_taught(store, task, before) for task in wanted if task in system.rows}
    if not since_s:
        raise nothing_to_teach(unteachable)
    came: dict[str, tuple[list[Came], LeftOut]] = {}
    days: dict[str, float] = {}
    connection = open_reader(store)
    try:
        served = [one for one in served_since(connection, min(since_s.values(), default=0.0)) if one.at_s <= now_s]
    finally:
        connection.close()
    for task in since_s:
        new = [one for one in served if one.at_s > since_s[task]]
        found = traffic(new, task, top=system.top_of(task).name, metric=metric(system.settings.tasks[task].metric))
        if found[0]:
            came[task], days[task] = found, max((now_s - new[0].at_s) / DAY_S, 1.0 / 24.0)
    if not came:
        raise MissingData(
            str(store),
            "has no traffic that a turn could learn from since the last one",
            "Serve some, with content.store: all, so that what was said is on record.",
        )
    plan = plan_turn(system, came, days, Limits(order.lessons, order.bar, looks), unteachable)
    return plan, {task: its for task, (its, _) in came.items()}


def _left(lost: tuple[str, float]) -> str:
    return f"Task {lost[0]} stays as it is: with its lessons it loses {lost[1]:.3f} of quality on calibration rows."


def _alarmed(store: Path) -> Collection[str]:
    """Tasks with an open alarm."""
    connection = open_reader(store)
    try:
        return set(monitoring.open_alarms(connection))
    finally:
        connection.close()


def _last_taught(store: Path, task: str, before: int | None) -> float:
    """When the last turn that taught this task looked at the record."""
    ended = [
        journal
        for journal in journals(store)
        if journal.has(Stage.TEACH) and journal.has(Stage.END) and (before is None or journal.number < before)
    ]
    taught = [journal for journal in ended if journal.read(Stage.TEACH)["answers"].get(task)]
    return max((float(journal.read(Stage.PLAN)["at_s"]) for journal in taught), default=0.0)


def teacher_answer(came: Came, top: str) -> str | None:
    """What the tier `top` said when the query was served; None where it was not asked."""
    said = (step.answer.text for step in came.observed.trace.steps if step.answer.tier == top)
    return next((text for text in said if text.strip()), None)


def folder_in_force(settings: Settings, versions: PolicyVersions) -> Path:
    """What serves; raises `MissingData` where nothing does."""
    active = versions.pointer().active
    if active is not None:
        return versions.folder(active)
    if settings.policy.folder is None:
        raise MissingData("policy.folder", "is not given", "A turn begins with a trained system: name its folder.")
    return Path(settings.policy.folder).expanduser()


def _bring_under(settings: Settings, versions: PolicyVersions, held: Held, now_s: float) -> Path:
    """The folder in force; the settings' becomes the store's first version where there is none yet."""
    folder = folder_in_force(settings, versions)
    if versions.pointer().active is not None:
        return folder
    return versions.folder(versions.adopt(held, folder, origin="policy.folder", now_s=now_s).id)
