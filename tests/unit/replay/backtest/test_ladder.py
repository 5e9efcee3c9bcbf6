"""The ladder: always-top first, then cheaper and cheaper, worth its cost, and the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.outcomes_world import world

from routenlp.cascade.decision import Reach
from routenlp.errors import TrainingError
from routenlp.replay.backtest.features import take
from routenlp.replay.backtest.ladder import STEP, fit_continuation, ladder_of


@pytest.fixture(scope="module")
def fitted():
    train = world(1500, 0)
    return train, fit_continuation(train, 0)


def means(ladder, rows):
    runs = [ladder.run(rows, g) for g in range(ladder.size)]
    top_cost, top_quality = rows.cost_usd[:, -1].mean(), rows.quality[:, -1].mean()
    cost = np.array([run.cost_usd(rows).mean() for run in runs]) / top_cost
    return cost, np.array([run.quality(rows).mean() for run in runs]) / top_quality


def cost_at(ladder, rows, ratio):
    cost, quality = means(ladder, rows)
    return cost[quality >= ratio].min()


def test_policy_0_is_always_top(fitted):
    train, ladder = fitted
    run = ladder.run(train, 0)
    assert (run.final == 2).all()
    assert np.array_equal(run.called, np.tile([False, False, True], (train.n, 1)))


def test_policies_fall_in_cost_by_steps_on_unseen_rows_too(fitted):
    _, ladder = fitted
    cost, _ = means(ladder, world(4000, 1))
    assert 10 <= ladder.size <= 50
    assert (np.diff(cost) < STEP).all()
    assert cost[-1] < 0.3


def test_its_last_policy_is_the_cheapest_there_is():
    train = world(1500, 0)
    train.cost_usd[:, :2] = [0.269, 0.5]  # no multiple of the steps down from 1
    ladder = fit_continuation(train, 0)
    assert means(ladder, train)[0][-1] == pytest.approx(0.269 / train.cost_usd[:, -1].mean(), abs=1e-9)


def test_it_beats_the_router_alone_where_confidences_inform(fitted):
    train, ladder = fitted
    unseen = world(4000, 2)
    once = ladder_of(ladder.fitted, train, Reach.ONCE, seed=0)
    assert cost_at(ladder, unseen, 0.97) < 0.9 * cost_at(once, unseen, 0.97)


def test_looking_ahead_is_chosen_where_a_cheap_answer_informs(fitted):
    assert any(utility.options is not None for utility in fitted[1].utilities)


@pytest.mark.parametrize("confidence", ["constant", "none"])
def test_useless_confidences_cost_no_more_than_the_router_alone(confidence):
    train, unseen = world(1500, 3, confidence=confidence), world(4000, 4, confidence=confidence)
    ladder = fit_continuation(train, 0)
    once = ladder_of(ladder.fitted, train, Reach.ONCE, seed=0)
    assert cost_at(ladder, unseen, 0.97) <= cost_at(once, unseen, 0.97) + 0.03


def test_it_works_without_text_and_with_tasks_that_training_never_saw():
    train = world(300, 5, text=False, tasks=3)
    seen = take(train, np.flatnonzero(train.task < 2))
    ladder = fit_continuation(seen, 0)
    run = ladder.run(train, ladder.size - 1)
    assert (run.final >= 0).all()


def test_qualities_of_the_rows_it_runs_on_do_not_matter(fitted):
    _, ladder = fitted
    rows = world(200, 6)
    blind = replace(rows, quality=np.full_like(rows.quality, np.nan))
    for step in (1, ladder.size - 1):
        assert np.array_equal(ladder.run(rows, step).final, ladder.run(blind, step).final)


def test_the_same_rows_and_seed_give_the_same_ladder():
    train = world(400, 7)
    one, two = fit_continuation(train, 1), fit_continuation(train, 1)
    assert [(u.price, u.margin) for u in one.utilities] == [(u.price, u.margin) for u in two.utilities]
    assert np.array_equal(one.see(train).quality, two.see(train).quality)


def test_too_few_rows_and_a_free_top_tier_are_refused():
    with pytest.raises(TrainingError, match="has 5 rows"):
        fit_continuation(world(5, 0), 0)
    free = world(100, 0)
    with pytest.raises(TrainingError, match="costs nothing"):
        fit_continuation(replace(free, cost_usd=free.cost_usd * 0.0), 0)


def test_there_is_no_policy_beyond_the_last(fitted):
    train, ladder = fitted
    with pytest.raises(IndexError, match="policies 0 to"):
        ladder.run(train, ladder.size)


def test_its_rule_is_what_the_machine_can_run(fitted):
    train, ladder = fitted
    rule = ladder.rule(3, train)
    assert rule.tiers == train.tiers
    assert rule.parts().kind == "stop_rule/continuation"


def test_a_task_may_have_a_policy_of_its_own(fitted):
    train, ladder = fitted
    rule = ladder.rule(0, train, {"task1": 3})
    assert rule.utility is ladder.utilities[0]
    assert rule.of_task == {"task1": ladder.utilities[3]}
