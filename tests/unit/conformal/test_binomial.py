"""Binomial tails and Clopper-Pearson bounds against scipy, and the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from routenlp.conformal.binomial import cdf, largest_count, lower_bound, lower_tail, pmf, upper_bound

SIZES = (1, 2, 7, 45, 500, 2_000, 12_000)
CHANCES = (1e-6, 0.01, 0.05, 0.1, 0.5, 0.93, 1 - 1e-6)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("p", CHANCES)
def test_tails_agree_with_scipy(n, p):
    k = np.arange(n + 1)
    np.testing.assert_allclose(cdf(n, p), stats.binom.cdf(k, n, p), rtol=0, atol=1e-10)
    np.testing.assert_allclose(pmf(n, p), stats.binom.pmf(k, n, p), rtol=0, atol=1e-10)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("delta", [0.1, 0.05, 1e-4])
def test_bounds_agree_with_scipy(n, delta):
    for k in {0, 1, n // 20, n // 2, n - 1, n}:
        upper = stats.beta.ppf(1 - delta, k + 1, n - k) if k < n else 1.0
        lower = stats.beta.ppf(delta, k, n - k + 1) if k else 0.0
        assert upper_bound(k, n, delta) == pytest.approx(upper, abs=1e-10)
        assert lower_bound(k, n, delta) == pytest.approx(lower, abs=1e-10)


def test_small_tails_keep_their_digits():
    assert cdf(2_000, 0.05)[10] == pytest.approx(stats.binom.cdf(10, 2_000, 0.05), rel=1e-9)


def test_no_row_says_nothing():
    assert (upper_bound(0, 0, 0.1), lower_bound(0, 0, 0.1), float(lower_tail(0, 0, 0.1))) == (1.0, 0.0, 1.0)


@pytest.mark.parametrize(("p", "expected"), [(0.0, [1, 1, 1]), (1.0, [0, 0, 1])])
def test_certainty_is_a_distribution_too(p, expected):
    assert list(cdf(2, p)) == expected


def test_a_tail_of_many_counts_is_each_one_alone():
    k, n = np.array([[0, 3], [5, 2]]), np.array([[10, 10], [200, 7]])
    np.testing.assert_allclose(lower_tail(k, n, 0.1), stats.binom.cdf(k, n, 0.1), atol=1e-12)


@pytest.mark.parametrize(("n", "k"), [(44, None), (45, 0), (76, 0), (77, 1)])
def test_k_star_at_the_papers_alpha(n, k):
    assert largest_count(n, 0.05, 0.1) == k


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5)])
def test_a_count_outside_its_rows_is_refused(k, n):
    with pytest.raises(ValueError, match="outside"):
        lower_tail(k, n, 0.1)


@pytest.mark.parametrize(("n", "p"), [(-1, 0.5), (3, 1.1), (3, float("nan"))])
def test_no_such_distribution(n, p):
    with pytest.raises(ValueError, match="no binomial"):
        pmf(n, p)


@given(st.integers(1, 300), st.data())
def test_the_bound_is_where_the_tail_is_delta(n, data):
    k = data.draw(st.integers(0, n - 1))
    assert cdf(n, upper_bound(k, n, 0.1))[k] == pytest.approx(0.1, abs=1e-9)
