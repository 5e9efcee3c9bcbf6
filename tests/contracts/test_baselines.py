"""What every baseline of a backtest promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.recorded_world import (
    with_quality,
    with_tiers,
    without_confidence,
    without_text,
    world,
)

from routenlp.errors import TrainingError
from routenlp.replay.backtest.baselines.always import always
from routenlp.replay.backtest.baselines.registry import BASELINES
from routenlp.replay.backtest.features import take

NEED_CONFIDENCE = {"paper", "automix"}
ROUTERS = sorted(set(BASELINES) - {"random_mix", "oracle"})
every_baseline = pytest.mark.parametrize("name", BASELINES)
train, fresh = world(600, seed=1), world(400, seed=2)


def runs(ladder, rows):
    return [ladder.run(rows, step) for step in range(ladder.size)]


def same(left, right):
    return all(
        np.array_equal(a.final, b.final) and np.array_equal(a.called, b.called)
        for a, b in zip(left, right, strict=True)
    )


def costs(ladder, rows):
    return np.array([run.cost_usd(rows).mean() for run in runs(ladder, rows)])


@pytest.fixture(scope="module", params=BASELINES)
def ladder(request):
    return BASELINES[request.param](train, seed=0)


def test_it_is_called_what_reports_call_it(ladder):
    assert BASELINES[ladder.name](train, seed=0).name == ladder.name


def test_it_offers_a_choice_of_policies(ladder):
    assert 3 <= ladder.size <= 40


def test_the_answer_returned_is_among_those_paid_for(ladder):
    for run in runs(ladder, fresh):
        assert run.called[np.arange(fresh.n), run.final].all()
        assert run.called.shape == (fresh.n, len(fresh.tiers))


def test_policies_get_cheaper(ladder):
    steps = costs(ladder, fresh)
    assert (np.diff(steps) <= 0.03 * fresh.cost_usd[:, -1].mean()).all()
    assert steps[-1] < 0.5 * steps[0]


def test_it_retreats_to_quality_as_good_as_the_top_tiers(ladder):
    first = ladder.run(fresh, 0).quality(fresh).mean()
    assert first >= fresh.quality[:, -1].mean() - 1e-9


def test_policies_are_numbered_from_0(ladder):
    for step in (-1, ladder.size):
        with pytest.raises(IndexError):
            ladder.run(fresh, step)


def test_one_row_is_enough_to_run(ladder):
    alone = take(fresh, np.array([7]))
    assert all(run.final.shape == (1,) for run in runs(ladder, alone))


def test_no_row_is_fine_too(ladder):
    assert all(len(run.final) == 0 for run in runs(ladder, take(fresh, np.array([], dtype=np.int64))))


def test_an_answer_without_confidence_is_no_accident(ladder):
    for run in runs(ladder, without_confidence(fresh)):
        assert run.called[np.arange(fresh.n), run.final].all()


def test_what_it_saw_before_does_not_matter(ladder):
    before = runs(ladder, fresh)
    for seed in range(5):
        ladder.run(world(50, seed=seed), 1)
    assert same(before, runs(ladder, fresh))


@every_baseline
def test_quality_of_the_rows_it_runs_on_is_not_looked_at(name):
    ladder = BASELINES[name](train, seed=0)
    unknown = with_quality(fresh, np.full_like(fresh.quality, np.nan))
    assert same(runs(ladder, fresh), runs(ladder, unknown)) == (name != "oracle")


@every_baseline
def test_what_the_answers_of_these_very_rows_cost_is_not_known_in_advance(name):
    ladder = BASELINES[name](train, seed=0)
    shuffled = replace(fresh, cost_usd=fresh.cost_usd[::-1])
    assert same(runs(ladder, fresh), runs(ladder, shuffled)) == (name != "oracle")


@every_baseline
def test_nothing_of_an_answer_is_looked_at_that_was_not_paid_for(name):
    ladder = BASELINES[name](train, seed=0)
    for step in range(0, ladder.size, 4):
        run = ladder.run(fresh, step)
        hidden = replace(
            fresh,
            confidence=np.where(run.called, fresh.confidence, 0.5),
            answer_length=np.where(run.called, fresh.answer_length, 50.0),
        )
        assert same([run], [ladder.run(hidden, step)])


@every_baseline
def test_same_rows_and_seed_same_policies(name):
    first, again = BASELINES[name](train, seed=3), BASELINES[name](world(600, seed=1), seed=3)
    assert first.size == again.size
    assert same(runs(first, fresh), runs(again, fresh))


@every_baseline
def test_no_text(name):
    ladder = BASELINES[name](without_text(train), seed=0)
    assert costs(ladder, without_text(fresh))[-1] < fresh.cost_usd[:, -1].mean()


@every_baseline
def test_no_confidence_anywhere(name):
    bare = without_confidence(train)
    if name in NEED_CONFIDENCE:
        with pytest.raises(TrainingError, match="confidence"):
            BASELINES[name](bare, seed=0)
    else:
        assert BASELINES[name](bare, seed=0).size >= 3


@every_baseline
@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_few_training_rows(name, n):
    ladder = BASELINES[name](take(train, np.arange(n)), seed=0)
    assert all(run.called.any(axis=1).all() for run in runs(ladder, fresh))


@pytest.mark.parametrize("name", ROUTERS)
def test_no_training_row_says_so(name):
    with pytest.raises(TrainingError):
        BASELINES[name](take(train, np.array([], dtype=np.int64)), seed=0)


@every_baseline
def test_two_tiers_and_graded_quality(name):
    pair = with_tiers(world(400, graded=True), 0, 2)
    ladder = BASELINES[name](pair, seed=0)
    assert costs(ladder, pair)[-1] < 0.9 * costs(ladder, pair)[0]


@every_baseline
def test_a_task_that_training_did_not_see(name):
    one = take(train, np.flatnonzero(train.task == 0))
    assert len(runs(BASELINES[name](one, seed=0), fresh)) >= 3


@every_baseline
def test_tiers_that_are_never_or_always_right(name):
    for constant in (0.0, 1.0):
        alike = with_quality(train, np.full_like(train.quality, constant))
        assert len(runs(BASELINES[name](alike, seed=0), fresh)) >= 1


@pytest.mark.parametrize("name", ROUTERS)
def test_it_beats_tossing_a_coin_where_there_is_something_to_know(name):
    ladder, coin = BASELINES[name](train, seed=0), BASELINES["random_mix"](train, seed=0)
    good = [quality_at_half_cost(system) for system in (ladder, coin)]
    assert good[0] > good[1] + 0.02


def quality_at_half_cost(ladder):
    half = 0.5 * fresh.cost_usd[:, -1].mean()
    return max(run.quality(fresh).mean() for run in runs(ladder, fresh) if run.cost_usd(fresh).mean() <= half)


def test_always_is_a_system_for_each_tier():
    found = always(fresh.tiers)
    assert [ladder.name for ladder in found] == ["always:cheap", "always:mid", "always:top"]
    assert [ladder.run(fresh, 0).final.tolist() for ladder in found] == [[k] * fresh.n for k in range(3)]
    assert [ladder.size for ladder in found] == [1, 1, 1]
