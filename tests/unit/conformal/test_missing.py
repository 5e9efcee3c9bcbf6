"""The worst that audits which are missing could change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.missing import rate_beside_missing, worst_case
from routenlp.conformal.rates import rate
from routenlp.errors import DataError

SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize("rule", ["joint", "conditional", "quality_ratio"])
def test_nothing_missing_changes_nothing(rule):
    assert worst_case(rule, 0.3, 0.0, top=0.8, cheap=0.5) == pytest.approx(0.3)


def test_each_rule_counts_a_missing_audit_as_a_failure_of_its_own():
    assert worst_case("joint", 0.04, 0.05, top=0.8, cheap=0.5) == pytest.approx((0.04 * 95 + 5) / 100)
    assert worst_case("conditional", 0.04, 0.05, top=0.8, cheap=0.5) == pytest.approx((0.04 * 47.5 + 5) / 52.5)
    assert worst_case("quality_ratio", 0.98, 0.05, top=0.8, cheap=0.5) == pytest.approx((0.98 * 0.8 * 95) / (76 + 5))


@given(SHARES, SHARES, SHARES, SHARES)
def test_it_is_never_better_than_what_was_seen(value, share, top, cheap):
    assert worst_case("quality_ratio", value, share, top=top, cheap=cheap) <= value + 1e-12
    for rule in ("joint", "conditional"):
        assert value - 1e-12 <= worst_case(rule, value, share, top=top, cheap=cheap) <= 1.0 + 1e-12


def test_a_share_of_failures_is_between_none_and_all_of_what_is_missing():
    low, high = rate_beside_missing(2, 40, 5)
    assert low == rate(2, 45).low < rate(2, 40).low
    assert high == rate(7, 45).high > rate(2, 40).high
    assert rate_beside_missing(0, 0, 0) == (0.0, 1.0)


def test_a_share_outside_0_and_1_is_refused():
    with pytest.raises(DataError, match="missing share: is"):
        worst_case("joint", 0.1, 1.5, top=1.0, cheap=1.0)
