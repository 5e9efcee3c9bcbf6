"""A policy judged from another's log: what must come out exactly, and what is refused or said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.off_policy.made_log import PRICES, log

from routenlp.errors import DataError, SettingsError, TrainingError
from routenlp.replay.off_policy import evaluate, in_words
from routenlp.replay.off_policy.regression import Expected, by_estimator, by_ridge
from routenlp.replay.off_policy.spread import student_quantile
from routenlp.replay.off_policy.weights import inverse_propensity, without_support
from routenlp.training.ridge_fit import fit_ridge


def always(k: int, n: int = 400) -> np.ndarray:
    return np.full(n, k)


def nothing(n: int = 400) -> Expected:
    return Expected(np.zeros((n, 3)), np.zeros((n, 3)))


def test_always_top_costs_and_keeps_exactly_what_it_is_compared_with():
    report = evaluate(log(), always(2))
    assert (report.quality_ratio.estimate, report.cost_ratio.estimate) == (1.0, 1.0)
    assert report.cost_ratio.low == pytest.approx(1.0)
    assert report.savings.estimate == 0.0


def test_the_logged_policy_itself_has_the_mean_of_its_log():
    logged = log()
    report = evaluate(logged, logged.propensity, expected=nothing())
    assert report.quality.estimate == pytest.approx(logged.quality.mean())
    assert report.cost_usd.estimate == pytest.approx(report.logged_cost_usd)
    assert report.trust.effective_rows == pytest.approx(400.0)


@pytest.mark.parametrize("method", ["dr", "sndr", "ips", "snips"])
def test_every_method_finds_a_tier_that_was_rarely_used(method):
    report = evaluate(log(20_000), always(1, 20_000), method=method)
    assert report.quality.low < 0.8 < report.quality.high
    assert report.cost_ratio.low <= 0.3 + 1e-9
    assert report.cost_ratio.high >= 0.3 - 1e-9
    assert report.savings.estimate == pytest.approx(1.0 - report.cost_ratio.estimate)


def test_weights_alone_are_the_estimate_of_horvitz_and_thompson():
    logged = log()
    report = evaluate(logged, always(0), method="ips")
    weights = (logged.action == 0) / logged.taken
    assert report.quality.estimate == pytest.approx((weights * logged.quality).mean())
    normal = evaluate(logged, always(0), method="snips")
    assert normal.quality.estimate == pytest.approx(weights @ logged.quality / weights.sum())


def test_a_perfect_regression_needs_no_luck():
    """The prices are what the regression says, so nothing is left for the weights to correct."""
    logged = log(600)
    prices = replace(nothing(600), cost_usd=np.tile(PRICES, (600, 1)))
    report = evaluate(logged, always(1, 600), expected=prices)
    assert report.cost_ratio.estimate == pytest.approx(0.3)
    assert report.cost_ratio.high - report.cost_ratio.low == pytest.approx(0.0, abs=1e-12)


def test_a_known_cost_of_the_top_tier_is_used():
    report = evaluate(log(top_cost_usd=np.full(400, 2.0)), always(2))
    assert report.cost_ratio.estimate == pytest.approx(0.5, rel=0.1)


def test_rows_that_are_said_twice_in_groups_say_no_more():
    logged = log(600)
    twice = np.tile(np.arange(600), 2)
    report, again = evaluate(logged, always(0, 600)), evaluate(logged.take(twice), always(0, 1_200))
    alone = evaluate(replace(logged.take(twice), groups=np.arange(1_200)), always(0, 1_200))

    def width(one):
        return one.quality.high - one.quality.low

    assert width(again) == pytest.approx(width(report), rel=0.05)
    assert width(alone) < 0.8 * width(report)


def test_the_same_seed_gives_the_same_report():
    assert evaluate(log(), always(1), seed=3) == evaluate(log(), always(1), seed=3)


def narrow(**changes):
    """A log in which nothing began at the middle tier."""
    logged = log(4_000)
    keep = logged.action != 1
    propensity = logged.propensity[keep].copy()
    propensity[:, 0] += propensity[:, 1]
    propensity[:, 1] = 0.0
    return replace(logged.take(keep), propensity=propensity, **changes)


def test_a_policy_beyond_the_log_is_refused():
    logged = narrow()
    with pytest.raises(DataError, match="as the logged policy never could"):
        evaluate(logged, always(1, logged.n))


def test_or_it_is_bounded_and_said_so():
    logged = narrow()
    target = np.tile([0.9, 0.1, 0.0], (logged.n, 1))
    report = evaluate(logged, target, overlap="bound")
    inside = evaluate(logged, always(0, logged.n))
    assert report.unsupported == pytest.approx(0.1)
    assert report.quality.estimate is None
    supported = 0.9 * inside.quality.estimate
    assert report.quality.low < supported < supported + 0.1 < report.quality.high
    assert (report.cost_ratio.low, report.cost_ratio.high) == pytest.approx((0.09, 0.19))
    words = " ".join(in_words(report))
    assert "between" in words
    assert "could not have been logged" in words


def test_the_top_tier_must_have_been_possible():
    logged = log()
    propensity = logged.propensity.copy()
    propensity[:, 0] += propensity[:, 2]
    propensity[:, 2] = 0.0
    rows = np.flatnonzero(logged.action != 2)
    some = replace(logged, propensity=np.where(logged.action[:, None] != 2, propensity, logged.propensity)).take(rows)
    for overlap in ("refuse", "bound"):
        with pytest.raises(DataError, match="could not have begun at the top tier 'top'"):
            evaluate(some, always(0, some.n), overlap=overlap)


def test_a_tier_that_happened_to_no_query_is_refused():
    logged = log()
    some = logged.take(logged.action != 1)
    with pytest.raises(DataError, match="no logged query happened"):
        evaluate(some, always(1, some.n))


def test_a_worthless_top_tier_is_refused():
    with pytest.raises(DataError, match="always-top's mean quality"):
        evaluate(log(quality=np.zeros(400)), always(0))


def test_a_log_without_a_failure_does_not_prove_that_there_is_none():
    report = evaluate(log(quality=np.ones(400)), always(0))
    assert report.quality.low < 0.99 < report.quality.high == 1.0


def test_few_groups_give_no_interval():
    report = evaluate(log(groups=np.arange(400) % 20), always(0))
    assert report.quality.estimate is not None
    assert (report.quality.low, report.quality_ratio.high) == (None, None)
    assert "Too few" in " ".join(in_words(report))


def test_clipping_is_counted():
    weights = inverse_propensity(log(), np.tile([0.0, 1.0, 0.0], (400, 1)), clip=4.0)
    assert weights.largest == pytest.approx(10.0)
    assert weights.share_clipped == pytest.approx((log().action == 1).mean())
    assert weights.values.max() == 4.0
    assert weights.lost == pytest.approx(6.0 * weights.share_clipped)
    assert "believed" in " ".join(in_words(evaluate(log(), always(1), clip=4.0)))


def test_effective_rows_do_not_depend_on_the_draw():
    every = [inverse_propensity(log(seed=0), np.eye(3)[always(1)]).effective_rows for _ in range(2)]
    assert every == [pytest.approx(40.0)] * 2


def test_what_lies_beyond_the_log_is_measured():
    logged = narrow()
    np.testing.assert_allclose(without_support(logged, np.tile([0.5, 0.3, 0.2], (logged.n, 1))), 0.3)


@pytest.mark.parametrize(
    "wrong", [{"method": "magic"}, {"overlap": "ignore"}, {"confidence": 1.0}, {"clip": 0.5}, {"clip": float("nan")}]
)
def test_unknown_settings_are_refused(wrong):
    with pytest.raises(SettingsError):
        evaluate(log(), always(0), **wrong)


def test_predictions_have_not_seen_their_own_group():
    """With outcomes that are pure noise by group, a prediction in sample would follow them."""
    rng = np.random.default_rng(0)
    groups = np.arange(400) // 4
    noise = (rng.uniform(size=100) < 0.5).astype(np.float64)[groups]
    logged = log(quality=noise, groups=groups, estimates=np.tile(noise[:, None], (1, 3)))
    changed = logged.quality.copy()
    changed[groups == 0] = 1.0 - changed[groups == 0]
    before, after = by_ridge(logged), by_ridge(replace(logged, quality=changed))
    np.testing.assert_array_equal(before.quality[groups == 0], after.quality[groups == 0])
    assert not np.array_equal(before.quality, after.quality)


def test_an_estimator_of_training_can_be_the_regression():
    logged = log(features=np.zeros((400, 2), dtype=np.float32))
    found = by_estimator(logged, fit_ridge)
    np.testing.assert_allclose(found.cost_usd, np.tile(PRICES, (400, 1)))
    assert evaluate(logged, always(1), expected=found).cost_ratio.estimate == pytest.approx(0.3)
    with pytest.raises(TrainingError, match="features"):
        by_estimator(log(), fit_ridge)


def test_the_words_are_plain():
    report = evaluate(log(20_000), always(0, 20_000))
    assert in_words(report)[0].startswith("On 20,000 logged queries the new policy would have cost 10% [")
    assert in_words(report)[0].endswith("of its quality (doubly robust, 95%); weights were clipped on 0.0% of rows.")


@pytest.mark.parametrize("degrees", [5.0, 7.5, 30.0, 1e6, float("inf")])
def test_quantiles_of_students_t(degrees):
    from scipy import stats

    assert student_quantile(0.975, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), abs=0.003)
