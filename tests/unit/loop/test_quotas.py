"""How a budget of lessons is spread over clusters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routenlp.loop.quotas import by_worth, in_proportion, whole_clusters
from routenlp.loop.ranking import Evidence, Ranked


def ranked(index: int, size: int, low: float, dropped: str | None = None) -> Ranked:
    return Ranked(Evidence("t", index, size, (), 0.5, 0.0, 1.0, 0.0), 1.0, low, low, dropped)


@given(
    st.dictionaries(st.integers(0, 9), st.tuples(st.floats(0.0, 100.0), st.integers(0, 30)), max_size=8),
    st.integers(0, 200),
)
def test_shares_sum_to_the_budget_or_to_all_there_is(clusters, budget):
    weights, most = {c: w for c, (w, _) in clusters.items()}, {c: m for c, (_, m) in clusters.items()}
    given_ = in_proportion(weights, most, budget)
    assert sum(given_.values()) == min(budget, sum(most.values()))
    assert all(0 <= n <= most[c] for c, n in given_.items())


def test_what_a_small_cluster_cannot_use_goes_to_the_others():
    assert in_proportion({0: 1.0, 1: 1.0}, {0: 3, 1: 100}, 20) == {0: 3, 1: 17}


def test_worthier_clusters_get_more_of_their_rows_and_dropped_ones_none():
    quotas = by_worth([ranked(0, 100, 400.0), ranked(1, 100, 100.0), ranked(2, 100, 900.0, "poor")], 60)
    assert quotas == {0: 40, 1: 20}


def test_all_in_one_cluster_is_all_from_it():
    assert by_worth([ranked(0, 10, 1.0)], 50) == {0: 10}


def test_where_no_bound_is_positive_size_alone_counts():
    assert by_worth([ranked(0, 30, -1.0), ranked(1, 10, -5.0)], 20) == {0: 15, 1: 5}


def test_no_cluster_no_lessons():
    assert by_worth([], 50) == whole_clusters([], 50) == {}


def test_the_papers_way_takes_whole_clusters_in_order():
    assert whole_clusters([ranked(3, 40, 9.0), ranked(1, 30, 5.0), ranked(0, 30, 1.0)], 50) == {3: 40, 1: 10}
