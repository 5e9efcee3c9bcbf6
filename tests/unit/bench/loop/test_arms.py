"""What each arm picks, on the traffic of a small world."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.unit.bench.loop.small import desk, world

from routenlp.bench.loop.arms import COVER, ESCALATIONS, MARGIN, PICKS, QUOTA, WHOLE, group
from routenlp.bench.loop.scene import Scene, look
from routenlp.bench.loop.system import retrain
from routenlp.loop.failures import Cause
from routenlp.loop.ranking import Rule


@pytest.fixture(scope="module")
def scene() -> Scene:
    made, at = world(), desk()
    return look(made, retrain(made, made.start, at, target=0.9), at, [0, 1])


def without_failures(scene: Scene, kept: int = 0) -> Scene:
    return dataclasses.replace(scene, failures=scene.failures[:kept], failed_at=scene.failed_at[:kept])


def test_lessons_bought_are_no_traffic_any_more(scene):
    assert scene.at.tolist() == list(range(2, len(scene.world.traffic)))
    assert len(scene.known) == len(scene.world.start) + 2


def test_failures_are_what_ended_at_the_top_and_their_gaps_are_known_where_a_cheap_tier_answered(scene):
    assert np.array_equal(scene.failed, scene.served.final == 2)
    assert {f.cause for f in scene.failures} <= {Cause.ESCALATED, Cause.SKIPPED}
    assert all((f.gap is not None) == (f.cause is Cause.ESCALATED) for f in scene.failures)
    assert all(f.teacher_answer is not None for f in scene.failures)


@pytest.mark.parametrize("arm", list(PICKS))
@pytest.mark.parametrize("kept", [0, 1, None])
def test_a_full_budget_of_distinct_rows_whatever_failed(scene, arm, kept):
    shown = scene if kept is None else without_failures(scene, kept)
    picked = PICKS[arm](shown, 40, np.random.default_rng(0))
    assert len(set(picked.tolist())) == len(picked) == 40
    assert scene.allowed[picked].all()


@pytest.mark.parametrize("arm", list(PICKS))
def test_a_barred_query_is_picked_by_none(scene, arm):
    allowed = np.zeros_like(scene.allowed)
    allowed[:25] = True
    picked = PICKS[arm](dataclasses.replace(scene, allowed=allowed), 40, np.random.default_rng(0))
    assert sorted(picked.tolist()) == list(range(25))


@pytest.mark.parametrize("arm", [ESCALATIONS, QUOTA, WHOLE])
def test_arms_that_go_by_failures_take_failures_while_there_are(scene, arm):
    budget = len(scene.failures) // 10
    picked = PICKS[arm](scene, budget, np.random.default_rng(0))
    assert scene.failed[picked].all()


def test_the_smallest_margin_is_the_largest_doubt(scene):
    picked = PICKS[MARGIN](scene, 5, np.random.default_rng(0))
    assert scene.uncertainty[picked].min() >= np.sort(scene.uncertainty)[-5]


@pytest.mark.parametrize("arm", [COVER, QUOTA])
def test_where_the_teacher_is_no_better_nothing_is_picked_while_there_is_anything_else(scene, arm):
    worse = tuple(dataclasses.replace(f, gap=-0.5) for f in scene.failures)
    shown = dataclasses.replace(scene, failures=worse)
    assert all(r.dropped for r in group(shown, Rule.VALUE).ranked)
    assert not scene.failed[PICKS[arm](shown, 20, np.random.default_rng(0))].any()


def test_covering_prefers_doubt_to_what_is_sure(scene):
    picked = PICKS[COVER](scene, 20, np.random.default_rng(0))
    assert scene.uncertainty[picked].mean() > scene.uncertainty[scene.allowed].mean()
