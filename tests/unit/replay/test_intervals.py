"""Intervals: against scipy, against worked examples, and by how often they cover a known truth."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routenlp.replay.intervals import (
    UNKNOWN,
    RatioDraws,
    RowRatio,
    design_effect,
    holm,
    mcnemar,
    over_tasks,
    paired_bootstrap,
    quantile_interval,
    wilson,
)


def least_covered(trials: int, probability: float) -> int:
    """Covering fewer than this many times has a chance of 1e-4 when each trial covers with `probability`."""
    return int(stats.binom.ppf(1e-4, trials, probability))


class TestWilson:
    @pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 30), (3, 30), (15, 30), (30, 30), (7, 9_000)])
    def test_equals_scipy(self, successes: int, n: int) -> None:
        expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
        interval = wilson(successes, n)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)

    def test_no_rows_give_no_interval(self) -> None:
        assert wilson(0, 0) == UNKNOWN

    @pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
    def test_impossible_counts_are_refused(self, successes: int, n: int) -> None:
        with pytest.raises(ValueError, match="successes of"):
            wilson(successes, n)

    @given(st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_holds_its_estimate_and_stays_a_proportion(self, counts: tuple[int, int]) -> None:
        interval = wilson(*counts)
        assert interval.low is not None
        assert interval.high is not None
        assert interval.estimate is not None
        assert 0.0 <= interval.low <= interval.estimate <= interval.high <= 1.0


class TestQuantileInterval:
    @pytest.mark.parametrize(("q", "n"), [(0.5, 6), (0.5, 101), (0.99, 400), (0.99, 3_000)])
    def test_ranks_are_the_binomial_ones(self, q: float, n: int) -> None:
        interval = quantile_interval(np.arange(1, n + 1), q)
        assert interval.low is not None
        assert interval.high is not None
        count = stats.binom(n, q)
        assert count.cdf(interval.low - 1) <= 0.025 < count.cdf(interval.low)
        assert count.sf(interval.high - 1) <= 0.025 < count.sf(interval.high - 2)

    def test_median_of_few_values_has_no_bounds(self) -> None:
        interval = quantile_interval([3.0, 1.0, 2.0], 0.5)
        assert (interval.estimate, interval.low, interval.high) == (2.0, None, None)

    @pytest.mark.parametrize(("n", "bounded"), [(367, False), (368, True)])
    def test_p99_needs_368_values_for_an_upper_bound(self, n: int, bounded: bool) -> None:
        assert (quantile_interval(np.arange(n), 0.99).high is not None) == bounded

    def test_no_values_give_no_interval(self) -> None:
        assert quantile_interval([], 0.5) == UNKNOWN

    def test_rounding_of_n_q_costs_no_rank(self) -> None:
        assert 100 * 0.07 > 7
        assert quantile_interval(np.arange(1, 101), 0.07).estimate == 7

    @pytest.mark.parametrize("q", [0.0, 1.0, 99.0])
    def test_a_quantile_outside_0_and_1_is_refused(self, q: float) -> None:
        with pytest.raises(ValueError, match="not in"):
            quantile_interval([1.0], q)

    @pytest.mark.parametrize("q", [0.5, 0.99])
    def test_covers_the_true_quantile(self, q: float) -> None:
        rng = np.random.default_rng(1)
        truth = stats.lognorm.ppf(q, s=1.0)
        found = [quantile_interval(rng.lognormal(size=500), q) for _ in range(1_000)]
        covered = sum(i.low <= truth <= i.high for i in found if i.low is not None and i.high is not None)
        assert covered >= least_covered(1_000, 0.95)


class TestMcNemar:
    @given(st.integers(0, 400), st.integers(0, 400))
    def test_equals_the_exact_binomial_test(self, first: int, second: int) -> None:
        expected = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
        assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)

    def test_many_rows_do_not_overflow(self) -> None:
        assert mcnemar(0, 5_000) == 0.0  # 2 ** -4999 is under the smallest float
        assert mcnemar(2_500, 2_500) == 1.0


class TestHolm:
    def test_worked_example(self) -> None:
        adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
        assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
        assert list(adjusted) == ["a", "b", "c", "d"]

    def test_of_nothing_is_nothing(self) -> None:
        assert holm({}) == {}

    @given(st.lists(st.floats(0.0, 1.0), max_size=12))
    def test_never_smaller_than_given_nor_larger_than_bonferroni(self, p_values: list[float]) -> None:
        given_ps = {str(i): p for i, p in enumerate(p_values)}
        for name, adjusted in holm(given_ps).items():
            assert given_ps[name] <= adjusted <= min(1.0, given_ps[name] * len(given_ps))


class TestDesignEffect:
    def test_rows_of_their_own_have_none(self) -> None:
        values = np.random.default_rng(2).random(50)
        assert design_effect(values, [str(i) for i in range(50)]) == pytest.approx(1.0)

    def test_copies_count_once(self) -> None:
        values = np.random.default_rng(3).random(200)
        groups = [str(i) for i in range(200)]
        effect = design_effect(np.repeat(values, 5), np.repeat(groups, 5).tolist())
        assert effect == pytest.approx(5.0, rel=0.01)

    @pytest.mark.parametrize(
        ("values", "groups"), [([], []), ([0.1, 0.9], ["a", "a"]), ([0.5, 0.5, 0.5], ["a", "b", "c"])]
    )
    def test_is_unknown_without_groups_or_spread(self, values: list[float], groups: list[str]) -> None:
        assert design_effect(values, groups) is None


def shares(values: np.ndarray) -> RowRatio:
    return RowRatio(values, np.ones_like(values))


def grouped_world(rng: np.random.Generator, groups: int, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Two systems that share each group's difficulty. True means: 2.0 and 1.9."""
    difficulty = np.repeat(rng.normal(size=groups), size)
    noise = rng.normal(scale=0.3, size=(2, groups * size))
    names = np.repeat([f"g{i}" for i in range(groups)], size).tolist()
    return 2.0 + difficulty + noise[0], 1.9 + difficulty + noise[1], names


class TestPairedBootstrap:
    def test_same_seed_same_draws(self) -> None:
        first, second, groups = grouped_world(np.random.default_rng(4), 30, 3)
        systems = {"first": shares(first), "second": shares(second)}
        one, other = (paired_bootstrap(systems, groups, seed=7, draws=200) for _ in range(2))
        assert one.draws["second"].tobytes() == other.draws["second"].tobytes()
        assert not np.array_equal(
            one.draws["first"], paired_bootstrap(systems, groups, seed=8, draws=200).draws["first"]
        )

    def test_order_of_rows_does_not_matter(self) -> None:
        first, _, groups = grouped_world(np.random.default_rng(5), 20, 4)
        order = np.random.default_rng(6).permutation(len(first))
        straight = paired_bootstrap({"a": shares(first)}, groups, seed=1, draws=100)
        shuffled = paired_bootstrap({"a": shares(first[order])}, [groups[i] for i in order], seed=1, draws=100)
        np.testing.assert_allclose(straight.draws["a"], shuffled.draws["a"])

    def test_other_groups_are_drawn_independently(self) -> None:
        values = np.random.default_rng(7).random(40)
        here, there = (
            paired_bootstrap({"a": shares(values)}, [f"{task}{i}" for i in range(40)], seed=1, draws=2_000)
            for task in ("here", "there")
        )
        assert abs(np.corrcoef(here.draws["a"], there.draws["a"])[0, 1]) < 0.1

    def test_a_system_does_not_differ_from_itself(self) -> None:
        first, _, groups = grouped_world(np.random.default_rng(8), 20, 2)
        drawn = paired_bootstrap({"a": shares(first), "b": shares(first)}, groups, seed=1, draws=100)
        difference = drawn.difference("a", "b")
        assert (difference.estimate, difference.low, difference.high) == (0.0, 0.0, 0.0)

    def test_sums_are_weighted_by_denominators(self) -> None:
        cost = RowRatio(np.array([1.0, 1.0, 4.0]), np.array([2.0, 2.0, 8.0]))
        interval = paired_bootstrap({"cost": cost}, ["a", "b", "c"], seed=1, draws=100).interval("cost")
        assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)

    @pytest.mark.parametrize("groups", [[], ["a", "a", "a"]])
    def test_under_two_groups_there_are_no_bounds(self, groups: list[str]) -> None:
        ones = np.ones(len(groups))
        interval = paired_bootstrap({"a": shares(ones)}, groups, seed=1).interval("a")
        assert (interval.estimate, interval.low, interval.high) == (1.0 if groups else None, None, None)

    def test_no_denominator_no_figure(self) -> None:
        nothing = RowRatio(np.zeros(4), np.zeros(4))
        drawn = paired_bootstrap({"a": nothing, "b": shares(np.ones(4))}, list("wxyz"), seed=1, draws=50)
        assert drawn.interval("a") == UNKNOWN
        assert drawn.difference("a", "b") == UNKNOWN

    def test_a_denominator_that_is_often_missing_gives_no_bounds(self) -> None:
        rare = RowRatio(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0]))
        interval = paired_bootstrap({"a": rare}, list("xyz"), seed=1, draws=500).interval("a")
        assert (interval.estimate, interval.low, interval.high) == (1.0, None, None)

    def test_rows_without_a_group_are_refused(self) -> None:
        with pytest.raises(ValueError, match="'a' has 3 and 3 rows, where 2 are grouped"):
            paired_bootstrap({"a": shares(np.ones(3))}, ["x", "y"], seed=1)

    def test_covers_the_truth_where_rows_of_a_group_resemble_each_other(self) -> None:
        rng = np.random.default_rng(9)
        alone = paired = 0
        for trial in range(300):
            first, second, groups = grouped_world(rng, 60, 4)
            drawn = paired_bootstrap({"a": shares(first), "b": shares(second)}, groups, seed=trial, draws=400)
            mean, gain = drawn.interval("a"), drawn.difference("a", "b")
            assert mean.low is not None
            assert mean.high is not None
            assert gain.low is not None
            assert gain.high is not None
            assert gain.high - gain.low < (mean.high - mean.low) / 2  # what the systems share cancels
            alone += mean.low <= 2.0 <= mean.high
            paired += gain.low <= 0.1 <= gain.high
        # The percentile interval of 60 groups covers a little less than its nominal 95%.
        assert min(alone, paired) >= least_covered(300, 0.93)

    def test_memory_stays_bounded(self) -> None:
        rows = 6_000
        groups = [str(i) for i in range(rows)]
        tracemalloc.start()
        paired_bootstrap({"a": shares(np.ones(rows))}, groups, seed=1, draws=1_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 100e6


class TestMacro:
    def drawn(self, values: list[float], task: str) -> RatioDraws:
        groups = [f"{task}{i}" for i in range(len(values))]
        return paired_bootstrap({"a": shares(np.array(values))}, groups, seed=1, draws=300)

    def test_every_task_counts_the_same(self) -> None:
        mean = over_tasks([self.drawn([1.0] * 50, "large"), self.drawn([0.0] * 2, "small")])
        interval = mean.interval("a")
        assert (interval.estimate, interval.low, interval.high) == (0.5, 0.5, 0.5)

    def test_a_task_without_bounds_leaves_none(self) -> None:
        interval = over_tasks([self.drawn([1.0, 0.0], "two"), self.drawn([1.0], "one")]).interval("a")
        assert (interval.estimate, interval.low, interval.high) == (0.75, None, None)

    def test_a_task_without_a_figure_leaves_no_mean(self) -> None:
        assert over_tasks([self.drawn([1.0, 0.0], "two"), self.drawn([], "none")]).interval("a") == UNKNOWN

    def test_of_no_tasks_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no tasks"):
            over_tasks([])
