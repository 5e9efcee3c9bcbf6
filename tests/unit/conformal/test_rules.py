"""What the three certifying rules have in common, asked of each."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.conditional import conditional
from routenlp.conformal.groups import group_units, row_units
from routenlp.conformal.joint import joint
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Method, Status
from routenlp.errors import SettingsError

N = 1_000
LOSSES = (0, 10, 25, 150, 5)
"""Of 1,000 rows, by policy: the fourth is far over every target, the fifth is fine but comes after it."""


def rows(n=N):
    """Losses of five policies that answer every row from a cheap tier, spread over the rows."""
    lost = np.zeros((len(LOSSES), n), dtype=bool)
    for g, count in enumerate(LOSSES):
        lost[g, :: max(1, n // max(count * n // N, 1))] = count > 0
    return lost


def run(rule, lost, units, asymptotic=False, delta=0.1):
    if rule == "joint":
        return joint(lost, alpha=0.05, delta=delta, units=units, asymptotic=asymptotic)
    if rule == "conditional":
        cheap = np.ones_like(lost)
        return conditional(cheap, lost, alpha=0.05, delta=delta, units=units, asymptotic=asymptotic)
    top = np.ones(lost.shape[-1])
    return quality_ratio(1.0 - lost, top, eps=0.05, delta=delta, units=units, asymptotic=asymptotic)


RULES = pytest.mark.parametrize("rule", ["joint", "conditional", "quality_ratio"])


@RULES
def test_the_last_policy_before_the_first_that_fails_is_deployed_and_certified(rule):
    verdict = run(rule, rows(), row_units(N, seed=0))
    assert (verdict.rule, verdict.selected, verdict.status) == (rule, 3, Status.CERTIFIED)
    assert verdict.p_values[3] > 0.1 >= verdict.p_values[4]
    assert "Policies 1 to 3 of 5 passed" in verdict.reason
    assert (verdict.n, verdict.groups, verdict.design_effect) == (N, N, None)


@RULES
@pytest.mark.parametrize("asymptotic", [False, True])
def test_the_estimate_is_within_its_bound_and_the_bound_within_the_target(rule, asymptotic):
    verdict = run(rule, rows(), row_units(N, seed=0), asymptotic)
    if rule == "quality_ratio":
        assert verdict.estimate == pytest.approx(0.975)
        assert 0.95 <= verdict.bound < verdict.estimate
    else:
        assert verdict.estimate == pytest.approx(0.025)
        assert verdict.estimate < verdict.bound <= 0.05


@RULES
def test_the_normal_approximation_is_labelled(rule):
    verdict = run(rule, rows(), row_units(N, seed=0), asymptotic=True)
    assert (verdict.method, verdict.status) == (Method.NORMAL, Status.ASYMPTOTIC)
    assert "only in the limit" in verdict.reason


@RULES
def test_under_250_units_the_normal_approximation_proves_nothing(rule):
    verdict = run(rule, rows(249), row_units(249, seed=0), asymptotic=True)
    assert verdict.selected > 0
    assert verdict.status is Status.EMPIRICAL
    assert "needs 250 units and there are 249" in verdict.reason


@RULES
def test_when_the_first_policy_fails_the_top_tier_serves(rule):
    verdict = run(rule, rows()[3:], row_units(N, seed=0))
    assert (verdict.selected, verdict.status) == (0, Status.UNCERTIFIED)
    assert "Policy 1, the first to be tested, did not pass" in verdict.reason
    assert verdict.estimate == {"joint": 0.0, "conditional": None, "quality_ratio": 1.0}[rule]


@RULES
def test_with_too_few_labels_for_any_policy_it_says_how_many_are_needed(rule):
    verdict = run(rule, rows(40)[:1], row_units(40, seed=0))
    least = {"joint": 45, "conditional": 45, "quality_ratio": 53}[rule]
    assert verdict.selected == 0
    assert f"without a single loss or gain cannot pass under {least} labels" in verdict.reason


@RULES
def test_without_policies_the_top_tier_serves(rule):
    verdict = run(rule, rows()[:0], row_units(N, seed=0))
    assert (verdict.selected, verdict.status, verdict.p_values) == (0, Status.UNCERTIFIED, ())
    assert "No policy to test" in verdict.reason


@RULES
def test_without_rows_the_top_tier_serves(rule):
    verdict = run(rule, np.zeros((3, 0), dtype=bool), row_units(0, seed=0))
    assert (verdict.selected, verdict.p_values, verdict.n) == (0, (1.0, 1.0, 1.0), 0)


@RULES
def test_when_all_pass_the_boldest_is_deployed(rule):
    verdict = run(rule, rows()[:3], row_units(N, seed=0))
    assert verdict.selected == 3
    assert "All policies from 1 to 3 passed" in verdict.reason


@RULES
def test_groups_are_bet_on_and_counted(rule):
    groups = np.repeat(np.arange(N // 2), 2).astype(str).tolist()
    verdict = run(rule, rows(), group_units(groups, seed=0, rows_a_group=2))
    assert (verdict.method, verdict.n, verdict.groups) == (Method.BETTING, N, N // 2)
    assert verdict.selected > 0
    assert verdict.status is Status.CERTIFIED


@RULES
def test_groups_that_share_their_luck_count_for_less(rule):
    lost = np.repeat(rows(N // 5), 5, axis=1)
    groups = np.repeat(np.arange(N // 5), 5).astype(str).tolist()
    shared = run(rule, lost, group_units(groups, seed=0, rows_a_group=5))
    single = run(rule, lost, row_units(N, seed=0))
    assert shared.p_values[1] > single.p_values[1]


@RULES
def test_under_30_groups_nothing_is_proved(rule):
    groups = np.repeat(np.arange(29), 200).astype(str).tolist()
    few = np.zeros((1, len(groups)), dtype=bool)
    verdict = run(rule, few, group_units(groups, seed=0, rows_a_group=20), delta=0.5)
    assert (verdict.selected, verdict.status) == (1, Status.EMPIRICAL)
    assert "29 groups are too few" in verdict.reason


@RULES
def test_the_design_effect_is_reported_for_groups(rule):
    lost = np.repeat(rows(N // 5), 5, axis=1)[1:2]
    groups = np.repeat(np.arange(N // 5), 5).astype(str).tolist()
    verdict = run(rule, lost, group_units(groups, seed=0, rows_a_group=5), delta=0.9)
    assert verdict.selected == 1
    assert verdict.design_effect == pytest.approx(5.0, rel=0.05)


@RULES
@pytest.mark.parametrize("delta", [0.0, 1.0, 1.5, float("nan")])
def test_a_delta_that_is_no_chance_is_refused(rule, delta):
    with pytest.raises(SettingsError, match="delta"):
        run(rule, rows(), row_units(N, seed=0), delta=delta)


@RULES
def test_the_same_rows_and_seed_give_the_same_verdict(rule):
    assert run(rule, rows(), row_units(N, seed=7)) == run(rule, rows(), row_units(N, seed=7))


@pytest.mark.parametrize(
    ("status", "weakest", "serves"),
    [
        (Status.CERTIFIED, Status.ASYMPTOTIC, True),
        (Status.ASYMPTOTIC, Status.ASYMPTOTIC, True),
        (Status.EMPIRICAL, Status.ASYMPTOTIC, False),
        (Status.UNCERTIFIED, Status.EMPIRICAL, False),
    ],
)
def test_statuses_are_ordered(status, weakest, serves):
    assert status.at_least(weakest) is serves
