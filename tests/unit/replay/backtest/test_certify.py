from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.recorded_world import world

from routenlp.conformal.groups import row_units
from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import (
    Rehearsal,
    Replays,
    SeenRows,
    Target,
    cheapest_step,
    cheapest_with_margin,
    labels_still_needed,
    miss,
    units_of,
    verdicts,
)


def replays(*shares: float, n: int = 1_000, wrong: float = 0.0) -> Replays:
    """Policy g answers the first `shares[g]` of the rows cheaply at a tenth of the price, `wrong` of those wrongly."""
    row = np.arange(n) / n
    cheap = np.stack([row < share for share in shares])
    failed = (np.arange(n) % 100) / 100 < wrong
    quality = np.where(cheap & failed, 0.0, 1.0)
    cost = np.where(cheap, 0.1, 1.0)
    return Replays(quality, cost, cheap, np.ones(n), np.ones(n))


def rehearsed(made: Replays) -> Rehearsal:
    return Rehearsal(made, row_units(len(made.top), seed=0))


def test_every_row_of_two_sets_counts_once():
    both = replays(0.0, 0.5, wrong=0.1).beside(replays(0.0, 1.0, n=3_000))
    assert both.quality_ratio == pytest.approx([1.0, (950 + 3_000) / 4_000])
    assert both.cost_ratio == pytest.approx([1.0, (550 + 300) / 4_000])
    assert both.rows(np.arange(4_000) < 1_000).quality_ratio == pytest.approx([1.0, 0.95])


def test_ratios_are_of_sums_over_the_top_tier():
    made = replays(0.0, 0.5, wrong=0.1)
    assert made.cost_ratio.tolist() == pytest.approx([1.0, 0.55])
    assert made.quality_ratio.tolist() == pytest.approx([1.0, 0.95])


def test_ratios_over_a_top_tier_without_quality_or_cost_are_not_known():
    made = replays(0.0, 0.5)
    empty = Replays(made.quality * 0, made.cost_usd * 0, made.cheap, made.top * 0, made.top_cost_usd * 0)
    assert np.isnan(empty.quality_ratio).all()
    assert np.isnan(empty.cost_ratio).all()


@pytest.mark.parametrize(
    ("target", "boldest"),
    [
        (Target("quality_ratio", eps=0.03), 1),
        (Target("quality_ratio", eps=0.06), 2),
        (Target("joint", alpha=0.05), 2),
        (Target("joint", alpha=0.03), 1),
        (Target("conditional", alpha=0.05), 0),
        (Target("conditional", alpha=0.1), 3),
        (Target("paper", eps=0.03), 1),
    ],
)
def test_the_uncertified_point_is_the_cheapest_that_holds_the_rule_asked_for(target, boldest):
    made = replays(0.0, 0.3, 0.5, 1.0, wrong=0.1)
    assert cheapest_step(made, target) == boldest


def test_where_nothing_holds_the_uncertified_point_is_the_first_policy():
    assert cheapest_step(replays(0.9, 1.0, wrong=0.5), Target()) == 0


def test_with_a_margin_what_holds_by_luck_alone_does_not_pass():
    """Policy 2 loses 0.03 on rows whose noise alone is 0.005, policy 1 0.01."""
    made = replays(0.0, 0.1, 0.28, wrong=0.1)
    rows = SeenRows(made, np.arange(1_000))
    assert cheapest_step(made, Target(eps=0.03)) == 2
    assert cheapest_with_margin([rows], Target(eps=0.03)) == 1


def test_the_margin_is_by_groups():
    made = replays(0.0, 0.1, wrong=0.1)
    by_row, by_group = (SeenRows(made, np.arange(1_000) // size) for size in (1, 100))
    assert [cheapest_with_margin([rows], Target(eps=0.015)) for rows in (by_row, by_group)] == [1, 0]


def test_of_one_group_nothing_is_known():
    assert (
        cheapest_with_margin([SeenRows(replays(0.0, 0.1, wrong=0.1), np.zeros(1_000, dtype=np.int64))], Target()) == 0
    )


def test_each_set_of_rows_must_hold_with_its_margin():
    good, bad = (SeenRows(replays(0.0, 0.1, 0.28, wrong=w), np.arange(1_000)) for w in (0.05, 0.1))
    assert cheapest_with_margin([good], Target(eps=0.03)) == 2
    assert cheapest_with_margin([good, bad], Target(eps=0.03)) == 1


def test_three_rules_judge_the_same_policies():
    made = replays(0.0, 0.2, 0.5, 1.0)
    found = verdicts(made, rehearsed(made), Target(), row_units(1_000, seed=0))
    assert set(found) == {"quality_ratio", "joint", "conditional"}
    assert {v.status for v in found.values()} == {Status.CERTIFIED}
    assert {v.selected for v in found.values()} == {3}


def test_policies_that_fail_are_not_certified_by_any_rule():
    made = replays(0.0, 0.5, 1.0, wrong=0.6)
    found = verdicts(made, rehearsed(made), Target(), row_units(1_000, seed=0))
    assert {v.status for v in found.values()} == {Status.UNCERTIFIED}
    assert {v.selected for v in found.values()} == {0}


def test_too_few_labels_say_how_many_it_takes():
    made = replays(0.0, 1.0, n=20)
    reason = verdicts(made, rehearsed(made), Target(), row_units(20, seed=0))["quality_ratio"].reason
    assert "cannot pass under" in reason
    assert labels_still_needed(made, 1, Target(), row_units(20, seed=0)) >= 60


@pytest.mark.parametrize("guarantee", ["quality_ratio", "joint", "conditional"])
def test_no_labels_are_needed_where_these_prove_it(guarantee):
    assert labels_still_needed(replays(0.0, 1.0), 1, Target(guarantee), row_units(1_000, seed=0)) == 0


@pytest.mark.parametrize("guarantee", ["quality_ratio", "joint", "conditional"])
def test_no_number_of_labels_proves_what_does_not_hold(guarantee):
    assert labels_still_needed(replays(0.0, 1.0, wrong=0.5), 1, Target(guarantee), row_units(1_000, seed=0)) is None


def test_no_number_of_labels_helps_where_the_top_tier_has_no_quality():
    made = replays(0.0, 1.0, n=50)
    hopeless = Replays(made.quality, made.cost_usd, made.cheap, made.top * 0, made.top_cost_usd)
    assert labels_still_needed(hopeless, 1, Target(), row_units(50, seed=0)) is None


def test_a_policy_on_target_is_no_miss():
    assert not miss(replays(0.3, wrong=0.1), 0, Target(eps=0.03), np.arange(1_000)).at_all


def test_a_small_miss_is_within_the_noise_of_the_test_rows():
    found = miss(replays(0.35, n=500, wrong=0.1), 0, Target(eps=0.03), np.arange(500))
    assert (found.at_all, found.beyond_noise) == (True, False)


def test_a_large_miss_is_beyond_it():
    found = miss(replays(1.0, wrong=0.1), 0, Target(eps=0.03), np.arange(1_000))
    assert (found.at_all, found.beyond_noise) == (True, True)


def test_rows_that_share_groups_have_more_noise():
    made, one = replays(0.5, wrong=0.1), Target(eps=0.03)
    assert miss(made, 0, one, np.arange(1_000)).beyond_noise
    assert not miss(made, 0, one, np.arange(1_000) // 250).beyond_noise


def test_rows_are_their_own_units_until_they_share_groups():
    rows = world(60)
    assert not units_of(rows, rows, seed=0).grouped
    shared = replace(rows, groups=np.arange(60) // 3)
    units = units_of(shared, shared, seed=0)
    assert (units.grouped, units.count, units.largest) == (True, 20, 3)
