"""Rule `quality_ratio`: its variables, its bound, and qualities that break it."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.asymptotic import normal_p_values
from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.groups import row_units
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.errors import DataError, SettingsError


def graded(n=600, seed=0):
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.5, 1.0, n)
    return np.clip(top + rng.normal(0.0, 0.1, n), 0, 1), top


def test_it_tests_that_routed_quality_falls_short():
    routed, top = graded()
    units = row_units(600, seed=3)
    verdict = quality_ratio(routed, top, eps=0.03, delta=0.1, units=units)
    z = Bounded(0.97 * top - routed, -1.0, 1.0)
    assert verdict.p_values[0] == float(p_values(z, units.order, 0.1))
    assert verdict.estimate == pytest.approx(routed.sum() / top.sum())


def test_its_bound_is_the_largest_ratio_that_the_test_proves():
    routed, top = graded()
    units = row_units(600, seed=3)
    bound = quality_ratio(routed, top, eps=0.03, delta=0.1, units=units).bound

    def proved(ratio):
        return float(p_values(Bounded(ratio * top - routed, -1.0, 1.0), units.order, 0.1)) <= 0.1

    assert proved(bound - 1e-9)
    assert not proved(bound + 2e-4)


def test_the_normal_bound_is_sharper():
    routed, top = graded()
    betting, normal = (
        quality_ratio(routed, top, eps=0.03, delta=0.1, units=row_units(600, seed=3), asymptotic=a).bound
        for a in (False, True)
    )
    assert betting < normal < routed.sum() / top.sum()


def test_a_top_tier_of_no_quality_gives_no_ratio():
    zero = np.zeros(400)
    verdict = quality_ratio(np.vstack([zero, zero + 0.5]), zero, eps=0.03, delta=0.1, units=row_units(400, seed=0))
    assert verdict.selected == 0  # a policy as poor as the top tier is not proved to be over it


def test_a_policy_that_beats_a_top_tier_of_no_quality_passes_without_an_estimate():
    verdict = quality_ratio(np.full(400, 0.5), np.zeros(400), eps=0.03, delta=0.1, units=row_units(400, seed=0))
    assert (verdict.selected, verdict.estimate) == (1, None)


@pytest.mark.parametrize("value", [1.5, -1.5, float("nan")])
def test_a_quality_outside_0_and_1_is_refused(value):
    with pytest.raises(DataError, match="outside"):
        quality_ratio(np.array([value, 1.0]), np.zeros(2), eps=0.03, delta=0.1, units=row_units(2, seed=0))


@pytest.mark.parametrize("eps", [0.0, 1.0, -0.1, float("nan")])
def test_an_eps_that_is_no_share_is_refused(eps):
    with pytest.raises(SettingsError, match="eps"):
        quality_ratio(np.ones(5), np.ones(5), eps=eps, delta=0.1, units=row_units(5, seed=0))


def test_without_a_single_loss_the_normal_p_value_is_not_zero():
    p = normal_p_values(Bounded(np.full(250, -0.005), -1.0, 1.0))
    assert float(p) > 0.05
    assert float(normal_p_values(Bounded(np.full(1, -0.5), -1.0, 1.0))) == 1.0
