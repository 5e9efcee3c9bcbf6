"""The trained system that serves, as a turn needs it: policy, students, the rows of its folds, and encoders."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
class TurnSystem:
    """What a turn begins with. The top tier's answer to a row is the row's reference."""

    settings: Settings
    folder: Path
    portfolio: Portfolio
    policy: Policy
    """As it serves: at the prices and tasks of now."""
    students: Students
    held_out: HeldOut
    rows: Mapping[str, TaskRows]
    """By task that can learn."""
    router_encoder: Encoder
    encoders: Encoders

    @property
    def rich(self) -> Encoder:
        """What clusters and probes look at."""
        return self.encoders.rich

    @property
    def cheap(self) -> tuple[Tier, ...]:
        """The student tiers, cheapest first."""
        return self.portfolio.tiers[:-1]

    def answered(self, students: Students, task: str, examples: Sequence[Example]) -> Recorded:
        """What every tier says of the rows, graded against their references."""
        queries = [example.query for example in examples]
        columns = [
            StudentBackend(tier, students[tier.name], time.perf_counter).answer_all(task, queries)
            for tier in self.cheap
        ]
        return self._recorded(task, examples, columns)

    def answered_held_out(self, held_out: HeldOut, task: str) -> tuple[list[Example], Recorded]:
        """The training rows that no student's judge had seen, and what was said of them."""
        by_tier = [held_out[tier.name][task] for tier in self.cheap]
        known = [e for e in self.rows[task].train.examples if all(e.query.id in said for said in by_tier)]
        return known, self._recorded(task, known, _priced(self.cheap, by_tier, known))

    def with_rows(self, rows: Mapping[str, TaskRows]) -> TurnSystem:
        """The same with other rows."""
        return replace(self, rows=rows)

    def _recorded(self, task: str, examples: Sequence[Example], cheap: Sequence[Sequence[Answer]]) -> Recorded:
        given = self.settings.tasks[task]
        teacher = RecordedBackend(self.portfolio.tiers[-1], {e.query.id: e.reference for e in examples})
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
    """Raises `SettingsError` for a portfolio that no turn can teach, `MissingData` for a folder without its rows."""
    portfolio = wiring.portfolio(settings)
    others = [tier.name for tier in portfolio.tiers[:-1] if tier.backend != "student"]
    if others or len(portfolio.tiers) < 2:
        raise SettingsError(
            "portfolio",
            f"has {', '.join(others) or 'one tier alone'}, which a turn cannot refit",
            "A turn teaches tiers of backend student; for others `routenlp distil export` writes lessons to train on.",
        )
    names = [tier.name for tier in portfolio.tiers[:-1]]
    for name in (wiring.ROWS, wiring.HELD_OUT, *(f"{wiring.TIERS}/{tier}" for tier in names)):
        if not (folder / name).is_dir():
            raise MissingData(
                str(folder / name),
                "is not there",
                "A turn needs the rows that the system was fitted on: train it anew.",
            )
    serving = wiring.serving_policy(settings, folder)
    assert serving is not None, "a folder was named"
    assert serving.encoder is not None, "who has rows has a router of its own"
    rows = rows_book.read(folder / wiring.ROWS)
    return TurnSystem(
        settings,
        folder,
        portfolio,
        serving.policy,
        {name: load_students(serving.students[name], encoders) for name in names},
        {name: read_held_out(folder / wiring.HELD_OUT / name) for name in names},
        {task: its for task, its in rows.items() if task in settings.tasks},
        serving.encoder,
        encoders,
    )


def load_students(parts: Mapping[str, Parts], encoders: Encoders) -> dict[str, Student]:
    """By task."""
    return {task: registry.load(part, [encoders.plain, encoders.rich]) for task, part in parts.items()}
