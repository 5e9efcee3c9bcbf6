"""The trained system that serves, as a turn needs it: policy, students, the rows of its folds, and encoders.

Each task has the tiers that its wall allows. A turn refits a task whose cheap tiers are all students; any other one
goes on into the next version as it is.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from routenlp import wiring
from routenlp.backends.recorded import RecordedBackend
from routenlp.backends.student import registry
from routenlp.backends.student.backend import StudentBackend
from routenlp.cascade.policy import Policy
from routenlp.contracts import Encoder, Student, TokenEncoder
from routenlp.errors import MissingData, SettingsError
from routenlp.grading.metrics import metric
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay.recorded import Recorded, record
from routenlp.settings import Settings
from routenlp.store import rows_book
from routenlp.store.rows_book import TaskRows
from routenlp.training.distil.students import read_held_out
from routenlp.types import Answer, Example, Parts, Prediction

STUDENT = "student"
"""The backend that a turn refits."""
Students = Mapping[str, Mapping[str, Student]]
"""By tier, then task."""
HeldOut = Mapping[str, Mapping[str, Mapping[str, Prediction]]]
"""By tier, task and query id."""


@dataclass(frozen=True, slots=True, eq=False)
class Encoders:
    """The sentence encoder that students read with, best with a memory."""

    plain: TokenEncoder
    rich: Encoder
    """Its longer vectors."""


@dataclass(frozen=True, slots=True, eq=False)
class Unteachable:
    """A task that no turn can refit: all that serves it stays."""

    task: str
    rows: TaskRows
    why: str

    @property
    def reason(self) -> str:
        """In words."""
        return f"Task {self.task} stays as it is: {self.why}."


@dataclass(frozen=True, slots=True, eq=False)
class TurnSystem:
    """What a turn begins with. The answer of a task's top tier to a row is the row's reference."""

    settings: Settings
    folder: Path
    portfolio: Portfolio
    policy: Policy
    """As it serves: at the prices and tasks of now."""
    students: Students
    held_out: HeldOut
    rows: Mapping[str, TaskRows]
    """By task that can learn."""
    unteachable: Mapping[str, Unteachable]
    """By task, the others that there are rows of."""
    router_encoder: Encoder
    encoders: Encoders

    @property
    def rich(self) -> Encoder:
        """What clusters and probes look at."""
        return self.encoders.rich

    @property
    def student_tiers(self) -> tuple[Tier, ...]:
        """Of whatever task, cheapest first."""
        return _students_among(self.portfolio.tiers)

    @property
    def every_row(self) -> Mapping[str, TaskRows]:
        """By task, whether it can learn or not."""
        return {**{task: its.rows for task, its in self.unteachable.items()}, **self.rows}

    def tiers_of(self, task: str) -> tuple[Tier, ...]:
        """Those that the task's wall allows, cheapest first."""
        return self.portfolio.among(self.settings.tiers_of(task))

    def cheap_of(self, task: str) -> tuple[Tier, ...]:
        """The tiers that have a student of the task and that it may use, cheapest first."""
        return tuple(t for t in _students_among(self.tiers_of(task)) if task in self.students[t.name])

    def top_of(self, task: str) -> Tier:
        """The task's teacher: the last tier that it may use."""
        return self.tiers_of(task)[-1]

    def answered(self, students: Students, task: str, examples: Sequence[Example]) -> Recorded:
        """What each of the task's tiers says of the rows, graded against their references."""
        queries = [example.query for example in examples]
        columns = [
            StudentBackend(tier, students[tier.name], time.perf_counter).answer_all(task, queries)
            for tier in self.cheap_of(task)
        ]
        return self._recorded(task, examples, columns)

    def answered_held_out(self, held_out: HeldOut, task: str) -> tuple[list[Example], Recorded]:
        """The training rows that no student's judge had seen, and what was said of them."""
        cheap = self.cheap_of(task)
        by_tier = [held_out[tier.name][task] for tier in cheap]
        known = [e for e in self.rows[task].train.examples if all(e.query.id in said for said in by_tier)]
        return known, self._recorded(task, known, _priced(cheap, by_tier, known))

    def with_rows(self, rows: Mapping[str, TaskRows]) -> TurnSystem:
        """The same with other rows."""
        return replace(self, rows=rows)

    def _recorded(self, task: str, examples: Sequence[Example], cheap: Sequence[Sequence[Answer]]) -> Recorded:
        given = self.settings.tasks[task]
        teacher = RecordedBackend(self.top_of(task), {e.query.id: e.reference for e in examples})
        columns = [*cheap, [teacher.answer(example.query) for example in examples]]
        rows = list(zip(*columns, strict=True))
        return record(task, given.handled_at, examples, rows, metric(given.metric).quality, self.policy.scorer)


def _priced(
    tiers: Sequence[Tier], by_tier: Sequence[Mapping[str, Prediction]], examples: Sequence[Example]
) -> list[list[Answer]]:
    return [
        [StudentBackend(tier, {}, time.perf_counter).priced(e.query, said[e.query.id], 0.0) for e in examples]
        for tier, said in zip(tiers, by_tier, strict=True)
    ]


def load_system(settings: Settings, folder: Path, encoders: Encoders) -> TurnSystem:
    """As `read_system`; raises `SettingsError` where there is no task that a turn could teach."""
    system = read_system(settings, folder, encoders)
    if not system.rows:
        raise nothing_to_teach(system.unteachable.values())
    return system


def nothing_to_teach(left: Collection[Unteachable]) -> SettingsError:
    """`left`: the tasks that a turn was to teach, none of which can be refitted."""
    why = "; ".join(f"{its.task}: {its.why}" for its in left) or "there are no rows of any"
    return SettingsError(
        "portfolio",
        f"has no task that a turn can teach ({why})",
        "A turn refits tiers of backend student under another one; for others `routenlp distil export` writes lessons.",
    )


def read_system(settings: Settings, folder: Path, encoders: Encoders) -> TurnSystem:
    """Raises `MissingData` for a folder without its rows or without a student tier of the portfolio."""
    portfolio = wiring.portfolio(settings)
    names = [tier.name for tier in _students_among(portfolio.tiers)]
    of_tiers = [f"{part}/{name}" for part in (wiring.HELD_OUT, wiring.TIERS) for name in names]
    for name in (wiring.ROWS, *of_tiers):
        if not (folder / name).is_dir():
            raise MissingData(
                str(folder / name),
                "is not there",
                "A turn needs the rows that the system was fitted on: train it anew.",
            )
    serving = wiring.serving_policy(settings, folder)
    assert serving is not None, "a folder was named"
    assert serving.encoder is not None, "who has rows has a router of its own"
    every = {task: its for task, its in rows_book.read(folder / wiring.ROWS).items() if task in settings.tasks}
    unteachable = {
        task: Unteachable(task, its, why)
        for task, its in every.items()
        if (why := _why_not(settings, portfolio, serving.students, task)) is not None
    }
    return TurnSystem(
        settings,
        folder,
        portfolio,
        serving.policy,
        {name: load_students(serving.students[name], encoders) for name in names},
        {name: read_held_out(folder / wiring.HELD_OUT / name) for name in names},
        {task: its for task, its in every.items() if task not in unteachable},
        unteachable,
        serving.encoder,
        encoders,
    )


def _why_not(
    settings: Settings, portfolio: Portfolio, stored: Mapping[str, Mapping[str, Parts]], task: str
) -> str | None:
    """Why no turn can refit the task; None: it can. `stored`: by tier, then task, the students that there are."""
    *cheap, top = portfolio.among(settings.tiers_of(task))
    others = [tier.name for tier in cheap if tier.backend != STUDENT]
    if not cheap:
        return f"{top.name} alone may answer it"
    if others:
        return f"it may use {', '.join(others)}, and a turn refits students alone"
    if top.backend == STUDENT:
        return f"{top.name}, its dearest tier, is a student itself, and nobody teaches it"
    if not any(task in stored[tier.name] for tier in cheap):
        return f"{', '.join(tier.name for tier in cheap)} has no student of it"
    return None


def _students_among(tiers: Sequence[Tier]) -> tuple[Tier, ...]:
    return tuple(tier for tier in tiers if tier.backend == STUDENT)


def load_students(parts: Mapping[str, Parts], encoders: Encoders) -> dict[str, Student]:
    """By task."""
    return {task: registry.load(part, [encoders.plain, encoders.rich]) for task, part in parts.items()}
