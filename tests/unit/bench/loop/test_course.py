"""All arms on a small world: equal lessons, nothing held out ever learned from, contamination stops a turn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.unit.bench.loop.small import desk, world

from routenlp.bench.loop.arms import ARMS, NONE, RANDOM
from routenlp.bench.loop.course import ALL_ROWS, Course, Plan, budgets
from routenlp.bench.loop.world import held_out_rows
from routenlp.errors import ContaminatedLessons

pytestmark = pytest.mark.slow  # some thirty fits

PLAN = Plan((15, 20), 0.9)
EVERYTHING = (NONE, *ARMS, ALL_ROWS)


@pytest.fixture(scope="module")
def ran():
    at, made = desk(), world()
    course = Course(made, at, PLAN)
    return at, made, [point for arm in EVERYTHING for point in course.run(arm)]


def test_every_arm_buys_the_same_number_of_lessons(ran):
    _, made, points = ran
    assert sum(budgets(made, PLAN)) == 35
    for arm in ARMS:
        assert [p.lessons for p in points if p.arm == arm] == [15, 35]


def test_no_training_call_received_a_calibration_gate_or_test_row(ran):
    at, made, _ = ran
    assert len(at.ledger.received) > len(made.start)
    assert at.ledger.seen_of(held_out_rows(made.folds)) == 0


def test_the_first_tiers_stand_once_and_all_points_are_of_all_test_rows(ran):
    _, made, points = ran
    assert [p.arm for p in points if p.round == 0] == [NONE]
    assert points[-1].arm == ALL_ROWS
    assert {len(p.cost_usd) for p in points} == {len(made.folds.test.examples)}
    assert all(abs(sum(p.tier_shares) - 1.0) < 1e-9 for p in points)


def test_with_all_rows_it_costs_less_than_at_first(ran):
    _, _, points = ran
    assert points[-1].cost_usd.sum() < points[0].cost_usd.sum()


def test_after_the_first_every_round_has_its_gain_on_the_gate_rows(ran):
    _, _, points = ran
    assert all((p.gain is not None) == (p.round > 0 and p.arm != ALL_ROWS) for p in points)


def test_the_same_seed_gives_the_same_figures():
    plan = dataclasses.replace(PLAN, lessons=(10,))
    first, second = (Course(world(), desk(), plan).run(RANDOM) for _ in range(2))
    assert all(np.array_equal(a.cost_usd, b.cost_usd) for a, b in zip(first, second, strict=True))


def test_a_lesson_that_is_a_held_out_row_aborts():
    made = world()
    query = made.folds.gate.examples[0].query
    spoiled = tuple(dataclasses.replace(e, query=dataclasses.replace(e.query, text=query.text)) for e in made.traffic)
    with pytest.raises(ContaminatedLessons, match="resemble held-out rows"):
        Course(dataclasses.replace(made, traffic=spoiled), desk(), PLAN).run(RANDOM)


def test_where_little_traffic_may_be_learned_from_all_arms_buy_less():
    made = world()
    barred = np.ones(len(made.traffic), dtype=np.bool_)
    barred[:20] = False
    few = dataclasses.replace(made, barred=barred)
    assert budgets(few, PLAN) == (4, 5)
