"""A new task on a small world: the top tier first, cheap tiers after a turn, nothing held out ever learned from."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tests.contracts.letters import LetterCounts
from tests.unit.bench.loop.small import STUDENTS, desk, folds

from routenlp.bench.datasets import generated
from routenlp.bench.fresh.arrivals import Use, arrivals
from routenlp.bench.fresh.course import FIRST_AUDITS, FIRST_LESSONS, GROWTH, Course, empirical, gated
from routenlp.bench.loop.world import Remembered, Screened, TaskWorld, held_out_rows, screen

TASK = "generated_intent"


@pytest.fixture(scope="module")
def screened() -> Screened:
    return screen(folds(TASK), Remembered(LetterCounts()), by_vectors=False)


def course(screened: Screened, rule=empirical) -> Course:
    none = np.zeros(0, dtype=np.bool_)
    world = TaskWorld(generated.TASKS[TASK], STUDENTS[TASK], screened.folds, (), (), none, screened.held_out)
    return Course(world, desk(), 0.9, rule)


@pytest.fixture(scope="module")
def ran(screened: Screened) -> Course:
    made = course(screened)
    made.run(arrivals(screened, seed=0))
    return made


def test_every_row_arrives_once_and_documents_come_whole(screened: Screened) -> None:
    came = arrivals(screened, seed=0)
    every = screened.folds
    assert len(came) == sum(len(f.examples) for f in (every.train, every.calibrate, every.gate, every.test))
    groups = [one.example.group for one in came]
    assert len(set(groups)) == 1 + sum(a != b for a, b in pairwise(groups))
    assert [one.example.query.id for one in arrivals(screened, seed=1)] != [one.example.query.id for one in came]


def test_until_a_turn_the_top_tier_answers_everything(ran: Course) -> None:
    first = ran.turns[0]
    before = [part for part in ran.served if not part.promoted]
    assert sum(len(part.arrivals) for part in before) == first.at
    assert all(part.by_top.all() and np.array_equal(part.cost_usd, part.top_usd) for part in before)
    assert first.lessons >= FIRST_LESSONS
    assert first.calibration_rows >= FIRST_AUDITS


def test_cheap_tiers_serve_after_it_for_less(ran: Course) -> None:
    after = [part for part in ran.served if part.promoted]
    assert sum(part.cost_usd.sum() for part in after) < sum(part.top_usd.sum() for part in after)
    assert not all(part.by_top.all() for part in after)


def test_no_turn_learns_from_what_judges_or_counts(ran: Course, screened: Screened) -> None:
    assert ran.desk.ledger.received
    assert ran.desk.ledger.seen_of(held_out_rows(screened.folds)) == 0


def test_only_what_the_top_tier_answered_is_a_lesson(ran: Course) -> None:
    learned = sum(
        int(top) for part in ran.served for one, top in zip(part.arrivals, part.by_top, strict=True)
        if one.use is Use.LEARN and not one.barred
    )  # fmt: skip
    assert ran.turns[-1].lessons <= learned
    assert all(b.lessons >= GROWTH * a.lessons for a, b in pairwise(ran.turns))


def test_the_gate_looks_at_less_of_its_delta_each_time(screened: Screened) -> None:
    made = course(screened, gated)
    made.run(arrivals(screened, seed=0))
    levels = [look.level for look in made.spent]
    assert 0 < len(levels) <= len(made.turns)
    assert levels == [0.05 / 2**i for i in range(len(levels))]
    assert not made.turns[0].serves
