"""Each baseline does what its paper says, on cases small enough to follow."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tests.unit.replay.backtest.recorded_world import (
    PRICES,
    with_quality,
    with_tiers,
    without_confidence,
    without_text,
    world,
)

from routenlp.conformal.paper import paper_threshold
from routenlp.replay.backtest.baselines.automix import belief_ladder, fit_process, threshold_ladder
from routenlp.replay.backtest.baselines.cascade_routing import decide, fit_cascade_routing, fit_supermodels
from routenlp.replay.backtest.baselines.cascades import climb
from routenlp.replay.backtest.baselines.frugalgpt import candidates, fit_frugalgpt
from routenlp.replay.backtest.baselines.hybrid_llm import fit_hybrid_llm, no_worse
from routenlp.replay.backtest.baselines.inner_folds import FOLDS, inner_folds
from routenlp.replay.backtest.baselines.kmeans import fit_kmeans
from routenlp.replay.backtest.baselines.knn import fit_knn
from routenlp.replay.backtest.baselines.knobs import frontier, spread
from routenlp.replay.backtest.baselines.linear_scores import logistic_loss
from routenlp.replay.backtest.baselines.oracle import fit_oracle
from routenlp.replay.backtest.baselines.pairs import best_weak_tier, cutoffs
from routenlp.replay.backtest.baselines.paper import fit_paper, handled_answers, three_part_loss, thresholds
from routenlp.replay.backtest.baselines.random_mix import fit_random_mix
from routenlp.replay.backtest.baselines.routellm_mf import battles, fit_routellm_mf


def best_within(ladder, rows, share_of_top):
    """The best mean quality at no more than this share of always-top's cost."""
    limit = share_of_top * rows.cost_usd[:, -1].mean()
    runs = [ladder.run(rows, step) for step in range(ladder.size)]
    return max((run.quality(rows).mean() for run in runs if run.cost_usd(rows).mean() <= limit), default=0.0)


def two_kinds(n=400, seed=0):
    """Two kinds of queries, told apart by their features: one only `mid` handles, the other `cheap` and `top`."""
    rows = world(n, seed=seed)
    kind = np.arange(n) % 2 == 0
    features = np.where(kind[:, None], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]) + 0.01 * rows.features
    quality = np.where(kind[:, None], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0])
    cost = np.broadcast_to(PRICES, (n, 3)).astype(float)
    return replace(rows, features=features.astype(np.float32), quality=quality, cost_usd=cost)


class TestClimb:
    accepts = np.array([[True, True, True], [False, True, False], [False, False, False]])

    def test_stops_at_the_first_answer_accepted_else_at_the_last_tier(self):
        run = climb(self.accepts, np.ones(3, dtype=bool))
        assert run.final.tolist() == [0, 1, 2]
        assert run.called.tolist() == [[True, False, False], [True, True, False], [True, True, True]]

    def test_uses_members_only_and_the_last_of_them_takes_any_answer(self):
        run = climb(self.accepts, np.array([True, False, False]))
        assert run.final.tolist() == [0, 0, 0]
        run = climb(self.accepts, np.array([[False, True, True]] * 3))
        assert run.final.tolist() == [1, 1, 2]
        assert not run.called[:, 0].any()


class TestKnobs:
    def test_spread_takes_settings_that_get_cheaper_and_both_ends(self):
        assert spread(np.array([9.0, 9.0, 10.0, 5.0, 6.0, 1.0]), steps=5) == [0, 3, 5]

    def test_spread_is_even_in_cost(self):
        chosen = spread(np.geomspace(100.0, 1.0, 1000), steps=5)
        assert np.geomspace(100.0, 1.0, 1000)[chosen] == pytest.approx([100, 75.25, 50.5, 25.75, 1], rel=0.02)

    def test_spread_below_a_cost(self):
        assert spread(np.array([9.0, 5.0, 1.0]), below=9.0) == [1, 2]
        assert spread(np.array([9.0]), below=9.0) == []

    def test_frontier_drops_what_costs_more_and_is_no_better(self):
        cost, quality = np.array([3.0, 1.0, 2.0, 2.0]), np.array([0.8, 0.5, 0.8, 0.6])
        assert frontier(cost, quality) == [2, 1]


class TestInnerFolds:
    def test_every_row_is_looked_at_once_and_groups_stay_whole(self):
        rows = replace(world(60), groups=np.arange(60) // 4)
        folds = inner_folds(rows, seed=0)
        assert len(folds) == FOLDS
        assert sorted(np.concatenate([look for _, look in folds]).tolist()) == list(range(60))
        assert all(not set(rows.groups[fit]) & set(rows.groups[look]) for fit, look in folds)

    def test_too_few_groups_hold_nothing_out(self):
        rows = replace(world(60), groups=np.arange(60) % 2)
        [(fit, look)] = inner_folds(rows, seed=0)
        assert len(fit) == len(look) == 60


def gradient_by_differences(loss, scores, at):
    found = np.zeros_like(scores)
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-2
        found[place] = (loss(scores + step, at)[0] - loss(scores - step, at)[0]) / 2e-2
    return found


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: logistic_loss(rows.quality),
        lambda rows: battles(rows.quality),
        lambda rows: three_part_loss(rows, handled_answers(rows)),
    ],
    ids=["logistic", "battles", "paper"],
)
def test_gradients_are_those_of_the_losses(make):
    rows = world(12, graded=True)
    at = np.array([1, 4, 5, 9])
    scores = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    loss = make(rows)
    assert loss(scores, at)[1] == pytest.approx(gradient_by_differences(loss, scores, at), abs=2e-3)


class TestRandomMix:
    def test_shares_are_exact_and_rise_evenly(self):
        rows = world(320)
        ladder = fit_random_mix(rows, seed=0)
        shares = [float((ladder.run(rows, step).final == 0).mean()) for step in range(ladder.size)]
        assert shares == pytest.approx(np.linspace(0.0, 1.0, ladder.size), abs=1 / 320)

    def test_a_query_once_given_to_the_cheap_tier_stays_there(self):
        rows = world(100)
        ladder = fit_random_mix(rows, seed=0)
        cheap = [ladder.run(rows, step).final == 0 for step in range(ladder.size)]
        assert all((more >= less).all() for less, more in pairwise(cheap))


class TestOracle:
    def test_begins_with_the_cheapest_of_the_best_answers(self):
        rows = with_quality(world(4), np.array([[0, 0, 0], [1, 1, 1], [0, 1, 1], [0.5, 0.4, 0.6]]))
        run = fit_oracle(rows, seed=0).run(rows, 0)
        assert run.final.tolist() == [0, 0, 1, 2]

    def test_no_baseline_is_better_at_any_cost(self):
        train, fresh = world(600, seed=1), world(400, seed=2)
        oracle, other = fit_oracle(train, seed=0), fit_cascade_routing(train, seed=0)
        for share in (0.1, 0.3, 0.6, 1.0):
            assert best_within(oracle, fresh, share) >= best_within(other, fresh, share)


class TestPairs:
    def test_cutoffs_fall_from_all_top_to_all_weak(self):
        found = cutoffs(np.arange(100.0))
        assert found[0] == np.inf
        assert found[-1] == -np.inf
        assert found == sorted(found, reverse=True)

    def test_the_weak_tier_is_the_one_that_pays(self):
        rows = two_kinds()
        knows_nothing = np.zeros(rows.n)
        for weak, knows in ((0, rows.quality[:, 0]), (1, rows.quality[:, 1])):
            scores = [knows_nothing, knows_nothing]
            scores[weak] = knows
            assert best_weak_tier(rows, scores) == weak


class TestHybridLlm:
    def test_labels_use_the_tolerance_at_which_they_differ_most(self):
        # The small model is always 0.3 worse, or always 0.6: any tolerance between tells the two apart.
        large = np.full(10, 0.9)
        small = large - np.where(np.arange(10) < 5, 0.3, 0.6)
        assert no_worse(small, large).tolist() == [1.0] * 5 + [0.0] * 5

    def test_right_or_wrong_needs_no_tolerance(self):
        assert no_worse(np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 0, 1])).tolist() == [1, 0, 1, 1]

    def test_easy_queries_go_to_the_weak_tier_first(self):
        train, fresh = with_tiers(world(600, seed=1), 0, 2), with_tiers(world(300, seed=2), 0, 2)
        for fit in (fit_hybrid_llm, fit_routellm_mf):
            ladder = fit(train, seed=0)
            weak = ladder.run(fresh, ladder.size // 3).final == 0
            assert fresh.features[weak, 0].mean() < fresh.features[~weak, 0].mean() - 0.3


class TestClustersAndNeighbours:
    @pytest.mark.parametrize("fit", [fit_knn, fit_kmeans])
    def test_each_kind_of_query_goes_where_it_is_handled(self, fit):
        ladder, fresh = fit(two_kinds(), seed=0), two_kinds(100, seed=5)
        run = next(
            run
            for step in range(ladder.size)
            if (run := ladder.run(fresh, step)).cost_usd(fresh).mean() < 0.5 * fresh.cost_usd[:, -1].mean()
        )
        assert run.final.tolist() == [1, 0] * 50

    def test_neighbours_keep_to_their_task_where_that_helps(self):
        rows = world(400, tasks=2)
        by_task = np.where(rows.task[:, None] == 0, [1.0, 1.0, 1.0], [0.0, 0.0, 1.0])
        ladder = fit_knn(with_quality(rows, by_task), seed=0)
        by_task_alone = np.where(rows.task == 0, 0, 2)
        assert max((ladder.run(rows, step).final == by_task_alone).mean() for step in range(ladder.size)) > 0.95


class TestPaper:
    def test_thresholds_are_those_of_the_rule(self):
        rows = world(300)
        handled = handled_answers(rows)
        found = thresholds(rows, handled, 0.1)
        for task, tier in np.ndindex(2, 3):
            here = rows.task == task
            expected = paper_threshold(1.0 - rows.confidence[here, tier], handled[here, tier], 0.1)
            assert found[task, tier] == expected.threshold

    def test_too_small_an_alpha_leaves_the_boldest_threshold_there_is(self):
        rows = world(300)
        handled = handled_answers(rows)
        u = 1.0 - rows.confidence[(rows.task == 0) & handled[:, 0], 0]
        assert thresholds(rows, handled, 1e-6)[0, 0] == u.max()

    def test_where_nothing_was_handled_nothing_is_accepted(self):
        rows = with_quality(world(50), np.zeros((50, 3)))
        assert np.isnan(thresholds(rows, handled_answers(rows), 0.05)).all()

    def test_graded_answers_are_held_to_the_top_tiers_mean(self):
        quality = np.array([[0.5, 0.7, 0.6], [0.8, 0.2, 0.8]])
        rows = with_quality(world(2, tasks=1), quality)
        assert handled_answers(rows).tolist() == [[False, True, False], [True, False, True]]

    def test_at_alpha_1_every_query_ends_at_the_top(self):
        rows = world(300)
        assert (fit_paper(rows, seed=0).run(rows, 0).final == 2).all()


class TestFrugalGpt:
    def test_what_the_search_promises_is_what_the_cascade_does_on_the_same_rows(self):
        rows = world(150)
        scores = np.random.default_rng(0).uniform(size=(150, 3))
        for candidate in list(candidates(rows, scores))[::37]:
            *inner, last = candidate.cascade.tiers
            takes = np.zeros_like(rows.quality, dtype=bool)
            for tier, threshold in zip(inner, candidate.cascade.thresholds, strict=True):
                takes[:, tier] = scores[:, tier] >= threshold
            run = climb(takes, np.isin(np.arange(3), [*inner, last]))
            assert run.quality(rows).mean() == pytest.approx(candidate.quality)
            assert run.cost_usd(rows).mean() == pytest.approx(candidate.cost_usd)

    def test_it_uses_the_confidence(self):
        train, fresh = without_text(world(600, seed=1)), without_text(world(400, seed=2))
        blind = fit_frugalgpt(without_confidence(train), seed=0)
        seeing = fit_frugalgpt(train, seed=0)
        assert best_within(seeing, fresh, 0.4) > best_within(blind, without_confidence(fresh), 0.4) + 0.05


class TestAutoMix:
    def test_a_check_that_reads_the_wrong_way_round_is_used_all_the_same(self):
        # The paper's case for a decision process: no threshold can use it.
        train, fresh = (with_tiers(world(800, seed=s), 0, 2) for s in (1, 2))
        train, fresh = (replace(rows, confidence=1.0 - rows.confidence) for rows in (train, fresh))
        by_belief, by_threshold = belief_ladder(train), threshold_ladder(train)
        assert best_within(by_belief, fresh, 0.6) > best_within(by_threshold, fresh, 0.6) + 0.1

    def test_it_always_begins_at_the_cheapest_tier(self):
        rows = world(300)
        ladder = belief_ladder(rows)
        assert all(ladder.run(rows, step).called[:, 0].all() for step in range(ladder.size))

    def test_it_may_pass_over_a_tier(self):
        rows = world(600)
        useless = with_quality(rows, rows.quality * [1.0, 0.0, 1.0])
        ladder = belief_ladder(useless)
        runs = [ladder.run(useless, step) for step in range(ladder.size)]
        assert any(0.1 < run.called[:, 2].mean() < 0.9 and not run.called[:, 1].any() for run in runs)

    def test_with_two_tiers_it_is_the_best_action_for_every_check(self):
        rows = with_tiers(world(800, tasks=1), 0, 2)
        process = fit_process(rows)
        actions = process.solve(0.3)[:, 0]
        digits = process.sights(rows)[:, 0]
        for digit in np.unique(digits):
            here = digits == digit
            gain = rows.quality[here, 1].mean() - rows.quality[here, 0].mean()
            if abs(gain - 0.3) > 0.1:  # beliefs are smoothed
                assert actions[digit] == (1 if gain > 0.3 else 0)


class TestCascadeRouting:
    def test_confidence_is_worth_a_second_look(self):
        train, fresh = without_text(world(800, seed=1)), without_text(world(400, seed=2))
        blind = fit_cascade_routing(without_confidence(train), seed=0)
        seeing = fit_cascade_routing(train, seed=0)
        assert best_within(seeing, fresh, 0.4) > best_within(blind, without_confidence(fresh), 0.4) + 0.05

    def test_at_a_high_price_one_call_to_the_cheapest_tier(self):
        rows = world(300)
        fitted, _ = fit_supermodels(rows, seed=0)
        run = decide(rows, fitted.see(rows), 1e4)
        assert run.called.sum(axis=1).tolist() == [1] * 300
        assert (run.final == 0).all()

    def test_a_supermodel_is_worth_at_least_each_of_its_members(self):
        rows = world(300)
        fitted, _ = fit_supermodels(rows, seed=0)
        seen = fitted.see(rows)
        members = [[tier for tier in range(3) if s >> tier & 1] for s in range(8)]
        for s in range(1, 8):
            assert (seen.worth[0][:, s] >= seen.quality[0][:, members[s]].max(axis=1) - 1e-5).all()

    def test_sets_that_lack_a_tier_already_called_are_out_of_question(self):
        rows = world(50)
        fitted, _ = fit_supermodels(rows, seed=0)
        assert np.isinf(fitted.see(rows).worth[0b010][:, [0b000, 0b001, 0b100, 0b101]]).all()

    def test_without_anything_in_the_answers_nobody_is_asked_twice(self):
        rows = replace(without_confidence(world(400)), answer_length=np.full((400, 3), np.nan))
        ladder = fit_cascade_routing(rows, seed=0)
        for step in range(ladder.size):
            assert (ladder.run(rows, step).called.sum(axis=1) == 1).mean() > 0.98
