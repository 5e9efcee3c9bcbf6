"""One task's tiers and router, trained on what is labelled so far, calibrated, and replayed over rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from routenlp.backends.recorded import RecordedBackend
from routenlp.backends.student.backend import StudentBackend
from routenlp.bench.loop.bulk import answer_all
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.bench.loop.world import Ledger, RememberedWords, TaskWorld, middle
from routenlp.contracts import Encoder, Student
from routenlp.grading.metrics import metric
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay.calibrate import (
    CalibrationRows,
    Setting,
    calibration_rows,
    candidate_cutoffs,
    cheapest,
    cheapest_route_only,
    limits_of,
)
from routenlp.replay.cascade import Replayed, replay
from routenlp.replay.folds import row_hash
from routenlp.replay.recorded import Recorded, record
from routenlp.router.estimator import LinearEstimator, features
from routenlp.router.pre_router import first_positions
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.training import students
from routenlp.training.router import fit_heads
from routenlp.types import Answer, Example, FloatArray, Prediction, Query, TrainingFold

CUTOFFS = 8
"""Of the router, swept beside none and 0."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every fit and every answer of the bench needs."""

    portfolio: Portfolio
    plain: RememberedWords
    rich: Encoder
    texts: HashedTexts
    ledger: Ledger
    seed: int

    def with_seed(self, seed: int) -> Desk:
        """The same with another seed."""
        return replace(self, seed=seed)

    def router_features(self, queries: Sequence[Query]) -> FloatArray:
        """What the router reads, shape (n, 389)."""
        texts = [query.text for query in queries]
        return features(middle(self.rich.encode(texts)), texts)


@dataclass(frozen=True, slots=True)
class System:
    """Both cheap tiers and the router of one task, and where they operate."""

    students: Mapping[str, Student]
    """By tier."""
    estimator: LinearEstimator
    setting: Setting
    """The cheapest that keeps the target on the calibration rows."""
    route_only: Setting
    """The same without a cascade: the router's first answer is final."""
    trained_on: int


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Rows with every tier's answers and the router's estimates."""

    recorded: Recorded
    estimates: FloatArray

    def run(self, setting: Setting) -> Replayed:
        """What a cascade does to the rows."""
        limits = limits_of(setting.thresholds) if setting.thresholds else np.full(len(self.recorded.tiers), np.inf)
        return replay(self.recorded, first_positions(self.estimates, setting.cutoff), limits)


def retrain(world: TaskWorld, rows: Sequence[Example], desk: Desk, *, target: float) -> System:
    """Refit students and router on `rows`, and recalibrate: what every arm does after every round.

    Raises `FoldOverlap` when a calibration row is among them.
    """
    desk.ledger.enter(rows)
    fold = TrainingFold(world.task.name, tuple(rows))
    cheap = [tier for tier in desk.portfolio.tiers if tier.backend == "student"]
    job = students.Job(fold, desk.plain, desk.rich, world.task.handled_at, desk.seed)
    fits = students.fit(world.student, [tier.model for tier in cheap], job)
    made = {tier.name: fits[str(tier.model)].student for tier in cheap}
    estimator = _fit_router(world, rows, [fits[str(tier.model)].held_out for tier in cheap], desk)
    untuned = Setting(None, (), 1.0, 1.0)
    bare = System(made, estimator, untuned, untuned, len(rows))
    seen = see(world, bare, world.folds.calibrate.examples, desk)
    trained = {row_hash(example) for example in rows}
    checked = calibration_rows(world.folds.calibrate, seen.recorded, seen.estimates, trained_on=trained)
    swept = cheapest(checked, _cutoffs(checked), target)
    return replace(bare, setting=swept, route_only=cheapest_route_only(checked, target))


def _cutoffs(rows: CalibrationRows) -> list[float | None]:
    """None, 0, and some of the usual quantiles: both cheap tiers cost next to nothing, so that the finest of cut-offs
    would take most of a round's time and gain nothing.
    """
    absent, nothing, *quantiles = candidate_cutoffs(rows)
    return [absent, nothing, *quantiles[:: max(len(quantiles) // CUTOFFS, 1)]]


def _fit_router(
    world: TaskWorld, rows: Sequence[Example], held_out: Sequence[Mapping[str, Prediction]], desk: Desk
) -> LinearEstimator:
    """Heads on what students say of rows that they were not fitted on, as everywhere."""
    known = [e for e in rows if all(e.query.id in column for column in held_out)]
    grade = metric(world.task.metric).quality
    quality = [[*(grade(column[e.query.id].text, e.reference) for column in held_out), 1.0] for e in known]
    heads = fit_heads(desk.router_features([e.query for e in known]), np.array(quality), task=world.task.name)
    return LinearEstimator({world.task.name: heads})


def see(world: TaskWorld, system: System, examples: Sequence[Example], desk: Desk) -> Seen:
    """Every tier answers every row."""
    queries = [example.query for example in examples]
    columns = [_column(world, system, tier, examples, desk) for tier in desk.portfolio.tiers]
    grade = metric(world.task.metric).quality
    rows = list(zip(*columns, strict=True))
    recorded = record(world.task.name, world.task.handled_at, examples, rows, grade, TokenUncertainty())
    estimates = system.estimator.estimate(world.task.name, desk.router_features(queries))
    assert estimates is not None, "the router is fitted for this task"
    estimates[[not query.text.strip() for query in queries]] = np.nan
    return Seen(recorded, estimates)


def _column(world: TaskWorld, system: System, tier: Tier, examples: Sequence[Example], desk: Desk) -> list[Answer]:
    queries = [example.query for example in examples]
    student = system.students.get(tier.name)
    if student is None:
        human = RecordedBackend(tier, {e.query.id: e.reference for e in examples})
        return [human.answer(query) for query in queries]
    priced = StudentBackend(tier, {world.task.name: student}, time.perf_counter).priced
    predictions = answer_all(student, queries, desk.texts)
    return [priced(query, said, 0.0) for query, said in zip(queries, predictions, strict=True)]
