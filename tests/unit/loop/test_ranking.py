"""The order of clusters by both rules, with the arithmetic done by hand."""

from __future__ import annotations

import dataclasses

import pytest

from routenlp.loop.ranking import PAPER_TOP, Evidence, Horizon, Rule, rank, shrunk_gap

HORIZON = Horizon(queries=1_000.0, observed=100)


def evidence(index: int, size: int, gaps: tuple[float, ...], **more: float) -> Evidence:
    base = Evidence("t", index, size, gaps, learnable=0.5, learnable_error=0.0, saving_usd=2.0, label_cost_usd=1.0)
    return dataclasses.replace(base, **more)


def test_value_is_the_equation():
    [only] = rank([evidence(0, 10, (1.0,) * 10)], HORIZON)
    assert only.gap == pytest.approx(1.0)
    assert only.value == pytest.approx(1_000 * (10 / 100) * 1.0 * 0.5 * 2.0 - 1.0)


def test_small_clusters_are_shrunk_to_the_mean_of_the_task():
    assert shrunk_gap((1.0, 1.0), 0.4) == pytest.approx((2 + 20 * 0.4) / 22)
    assert shrunk_gap((), 0.4) == pytest.approx(0.4)


def test_the_order_goes_by_the_lower_bound():
    sure = evidence(0, 50, (0.6,) * 50)
    lucky = evidence(1, 51, (0.7, 0.5), learnable_error=0.2)
    first, second = rank([lucky, sure], HORIZON)
    assert (first.evidence.index, second.evidence.index) == (0, 1)
    assert second.low < second.value


def test_a_cluster_where_the_teacher_is_worse_is_dropped_by_both_rules():
    bad = evidence(0, 500, (-0.5, -0.2, 0.1))
    good = evidence(1, 5, (0.5,) * 5)
    for rule in Rule:
        first, last = rank([bad, good], HORIZON, rule)
        assert (first.evidence.index, first.dropped) == (1, None)
        assert last.dropped == "the teacher is no better than the student here"


def test_a_cluster_that_nothing_can_be_learned_from_is_dropped():
    [only] = rank([evidence(0, 10, (1.0,), learnable=0.0)], HORIZON)
    assert only.dropped == "nothing can be learned here"


def test_the_papers_rule_is_size_times_mean_gap_and_keeps_five():
    clusters = [evidence(i, 10 * (i + 1), (0.5,)) for i in range(7)]
    ranked = rank(clusters, HORIZON, Rule.PAPER)
    assert [r.evidence.index for r in ranked] == [6, 5, 4, 3, 2, 1, 0]
    assert ranked[0].value == pytest.approx(70 * 0.5)
    assert [r.dropped is None for r in ranked] == [True] * PAPER_TOP + [False] * 2


def test_no_cluster_no_order():
    assert rank([], HORIZON) == ()


def test_ungraded_clusters_are_not_dropped():
    [only] = rank([evidence(0, 10, ())], HORIZON)
    assert only.dropped is None
