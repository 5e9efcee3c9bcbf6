"""Means, pairs and arrivals over points that were made by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from routenlp.bench.loop.arms import COVER, ESCALATIONS, NONE, RANDOM
from routenlp.bench.loop.course import Point
from routenlp.bench.loop.figures import figures
from routenlp.bench.loop.report import best_arm
from routenlp.loop.economics import Gain

GROUPS = {"t": [str(i) for i in range(200)]}


def point(arm: str, number: int, cost: float, *, seed: int = 0, lessons: int | None = None, low: float = 0.0) -> Point:
    """Each row costs `cost` of a top tier of 1, but for a little that depends on the row."""
    ripple = 0.1 * np.sin(np.arange(200) + seed)
    gain = None if number == 0 else Gain(0.1, low)
    bought = 100 * number if lessons is None else lessons
    ones = np.ones(200)
    return Point("t", seed, arm, number, bought, cost + ripple, ones, ones, (0.5, 0.3, 0.2), 0.4, 0.6, 0.95, 1.0, gain)


def course(arm: str, *costs: float, seed: int = 0) -> list[Point]:
    return [point(arm, i, cost, seed=seed) for i, cost in enumerate(costs, 1)]


def test_the_estimate_is_the_mean_over_seeds_and_lies_within_its_interval():
    points = [point(NONE, 0, 0.5), point(NONE, 0, 0.7, seed=1)]
    [only] = figures(points, GROUPS, seed=0).standings
    assert only.cost_ratio.estimate == pytest.approx(0.6, abs=0.01)
    assert only.cost_ratio.low is not None
    assert only.cost_ratio.high is not None
    assert only.cost_ratio.low < 0.6 < only.cost_ratio.high


def test_arms_that_differ_on_every_row_differ_for_sure_though_their_intervals_overlap():
    points = [point(NONE, 0, 0.5), *course(RANDOM, 0.40), *course(ESCALATIONS, 0.395)]
    found = {s.place.arm: s for s in figures(points, GROUPS, seed=0).standings}
    ours = found[ESCALATIONS]
    assert ours.over_random is not None
    assert ours.over_random.high is not None
    assert ours.over_random.high < 0.0
    assert ours.p_value is not None
    assert ours.p_value < 0.01
    assert found[RANDOM].over_random is None


def test_an_arm_like_random_is_not_told_from_it():
    rng = np.random.default_rng(0)
    random, other = course(RANDOM, 0.4), course(ESCALATIONS, 0.4)
    noisy = [dataclasses.replace(p, cost_usd=p.cost_usd + rng.normal(0.0, 0.1, 200)) for p in other]
    found = figures([point(NONE, 0, 0.5), *random, *noisy], GROUPS, seed=0)
    [p_value] = [s.p_value for s in found.standings if s.place.arm == ESCALATIONS]
    assert p_value is not None
    assert p_value > 0.05


def test_arrival_is_the_first_round_that_costs_no_more_than_random_at_its_end():
    points = [point(NONE, 0, 0.5), *course(RANDOM, 0.4, 0.35, 0.30), *course(COVER, 0.35, 0.30, 0.20)]
    arrivals = {a.arm: a for a in figures(points, GROUPS, seed=0).arrivals}
    assert (arrivals[COVER].lessons, arrivals[COVER].of_random) == (200.0, pytest.approx(2 / 3))
    assert arrivals[COVER].on_the_line == pytest.approx(2 / 3, abs=0.01)
    assert arrivals[COVER].gain_over_random == pytest.approx(0.3 / 0.2, rel=0.02)
    assert (arrivals[RANDOM].of_random, arrivals[RANDOM].gain_over_random) == (1.0, pytest.approx(1.0))


def test_between_rounds_the_arrival_is_read_off_a_line():
    points = [point(NONE, 0, 0.5), *course(RANDOM, 0.4, 0.30), *course(COVER, 0.40, 0.20)]
    arrivals = {a.arm: a for a in figures(points, GROUPS, seed=0).arrivals}
    assert arrivals[COVER].of_random == 1.0
    assert arrivals[COVER].on_the_line == pytest.approx(150 / 200, abs=0.01)


def test_an_arm_that_never_arrives_says_so():
    points = [point(NONE, 0, 0.5), *course(RANDOM, 0.3), *course(COVER, 0.45)]
    arrivals = {a.arm: a for a in figures(points, GROUPS, seed=0).arrivals}
    assert (arrivals[COVER].lessons, arrivals[COVER].of_random) == (None, None)


def test_the_best_arm_arrives_first_and_then_costs_least():
    points = [
        point(NONE, 0, 0.5),
        *course(RANDOM, 0.4, 0.3),
        *course(COVER, 0.3, 0.25),
        *course(ESCALATIONS, 0.31, 0.2),
    ]
    assert best_arm(figures(points, GROUPS, seed=0)) == COVER


def test_how_often_another_round_surely_pays():
    points = [point(NONE, 0, 0.5), point(RANDOM, 1, 0.4, low=0.01), point(RANDOM, 1, 0.4, seed=1, low=0.001)]
    found = {s.place.arm: s for s in figures(points, GROUPS, seed=0).standings}
    assert found[RANDOM].surely_worth == 0.5
    assert found[NONE].surely_worth is None


def test_a_task_with_more_seeds_counts_no_more():
    many = [dataclasses.replace(point(NONE, 0, 0.5, seed=i), escalated=0.2) for i in range(3)]
    one = dataclasses.replace(point(NONE, 0, 0.7), task="u", escalated=0.6)
    [standing] = figures([*many, one], {"t": GROUPS["t"], "u": GROUPS["t"]}, seed=0).standings
    assert standing.escalated == pytest.approx(0.4)
    assert standing.cost_ratio.estimate == pytest.approx(0.6, abs=0.01)
