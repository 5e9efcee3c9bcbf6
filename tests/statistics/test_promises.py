"""Certified rules in worlds whose truth is known: each misses its target in at most delta of 1,000 calibrations.

The cells here meet every pair of properties once; `routenlp.bench.guarantees` checks all of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routenlp.bench.guarantees.cells import VALUES, every_cell, pairwise_cells
from routenlp.bench.guarantees.run import check_cell, most_misses
from routenlp.bench.guarantees.simulate import (
    ALPHA_CONDITIONAL,
    ALPHA_JOINT,
    CERTIFYING,
    EPS,
    drawn_units,
    selected,
)
from routenlp.bench.guarantees.worlds import GROUP_ROWS, Spec, draw_rows, replay, world
from routenlp.conformal.binomial import lower_tail
from routenlp.conformal.conditional import conditional
from routenlp.conformal.groups import group_units, row_units
from routenlp.conformal.joint import joint, single_tier_threshold
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Status

CELLS = pairwise_cells()
DRAWS = 1_000
DELTA = 0.1


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_promises_are_kept(cell):
    broken = [kept for kept in check_cell(cell, draws=DRAWS, cells=len(CELLS)) if not kept.holds]
    assert broken == []


def test_these_cells_meet_every_pair_of_properties():
    names = list(VALUES)
    for first in names:
        for second in names:
            if first != second:
                met = {(getattr(cell, first), getattr(cell, second)) for cell in CELLS}
                assert len(met) == len(VALUES[first]) * len(VALUES[second])
    assert len(CELLS) < len(every_cell()) / 40


def test_the_tolerance_is_one_sided_and_exact():
    from scipy import stats

    k = most_misses(DRAWS, 45)
    assert stats.binom.sf(k, DRAWS, DELTA) <= 1e-4 / 45 < stats.binom.sf(k - 1, DRAWS, DELTA)


@pytest.mark.parametrize("n", [40, 50])
def test_with_few_labels_a_walk_begins_late_and_keeps_its_promise(n):
    """Cheap answers that are better than the top tier's: bold policies pass where cautious ones have too few labels."""
    place = world(Spec(fails=(0.1,), top_fails=0.5, shared=0.0), seed=1)
    rule = CERTIFYING["quality_ratio"]
    late = selected(place, rule, n=n, draws=DRAWS, delta=DELTA, seed=2)
    early = selected(place, replace(rule, start=lambda *_: 1), n=n, draws=DRAWS, delta=DELTA, seed=2)
    assert rule.start(place, n, DELTA) > 1
    assert np.mean(late == 0) < 0.1 < 0.4 < np.mean(early == 0)
    assert np.count_nonzero(rule.missed(place)[late]) <= most_misses(DRAWS, 2)


def test_a_walk_that_begins_where_policies_miss_keeps_its_promise():
    """Whatever policy the training fold points at: the first test of one that misses passes in at most delta."""
    place = world(Spec(), seed=1)
    rule = CERTIFYING["quality_ratio"]
    first_over = int(np.argmax(rule.missed(place)))
    late = replace(rule, start=lambda *_: first_over)
    deployed = selected(place, late, n=500, draws=DRAWS, delta=DELTA, seed=2)
    assert np.count_nonzero(rule.missed(place)[deployed]) <= most_misses(DRAWS, 1)


@pytest.mark.parametrize("rule", CERTIFYING)
@pytest.mark.parametrize("n", [50, 500, 2000])
def test_a_constant_score_leads_to_always_top(rule, n):
    """All cheap answers look alike, so the one policy there is takes them all, and it fails too often."""
    place = world(Spec(auroc=0.5, levels=1), seed=1)
    assert CERTIFYING[rule].missed(place)[1:].all()
    at_top = selected(place, CERTIFYING[rule], n=n, draws=DRAWS, delta=DELTA, seed=2) == 0
    assert np.count_nonzero(~at_top) <= most_misses(DRAWS, 9)


@pytest.mark.parametrize("n", [50, 500, 2000])
def test_a_useless_score_leads_the_conditional_rule_to_always_top(n):
    place = world(Spec(auroc=0.5), seed=1)
    at_top = selected(place, CERTIFYING["conditional"], n=n, draws=DRAWS, delta=DELTA, seed=2) == 0
    assert np.count_nonzero(~at_top) <= most_misses(DRAWS, 3)


def test_the_check_has_teeth():
    """Deploying the boldest policy whose estimate meets the target misses it about half of the time."""

    def point(place, g, units, _delta):
        z = (1 - EPS) * place.top - place.policies.routed[g - 1]
        return np.where(z[units].mean(axis=1) <= 0.0, 0.0, 1.0)

    place = world(Spec(), seed=1)
    rule = replace(CERTIFYING["quality_ratio"], p_values=point)
    deployed = selected(place, rule, n=500, draws=DRAWS, delta=DELTA, seed=2)
    assert rule.missed(place)[deployed].mean() > 0.3


def test_applying_joint_tier_by_tier_breaks_its_promise():
    """Each tier keeps alpha by itself, so that two of them lose up to twice as much."""
    missed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        seen, new = (draw_rows(Spec(fails=(0.25, 0.2), prices=(0.1, 0.3)), n, rng) for n in (2_000, 20_000))
        thresholds = [single_tier_threshold(seen.scores[k], seen.failed[k], ALPHA_JOINT, DELTA) for k in range(2)]
        lost = replay(new, np.array([thresholds], dtype=np.float64), (0.1, 0.3)).lost
        missed += lost.mean() > ALPHA_JOINT
    assert missed > most_misses(200, 1)


def test_exact_tails_that_ignore_groups_pass_falsely_and_sums_over_groups_do_not():
    place = world(Spec(auroc=0.7, grouped=True, shared=1.0, group_effect=1.0), seed=1)
    units = drawn_units(place, n=600, draws=DRAWS, seed=2)
    missed = CERTIFYING["joint"].missed(place)
    sizes = np.diff(place.rows.starts, append=len(place.top))
    first_over = int(np.argmax(missed))
    lost = np.add.reduceat(place.policies.lost[first_over - 1].astype(np.int64), place.rows.starts)
    naive = lower_tail(lost[units].sum(axis=1), sizes[units].sum(axis=1), ALPHA_JOINT) <= DELTA
    grouped = CERTIFYING["joint"].p_values(place, first_over, units, DELTA) <= DELTA
    assert naive.sum() > most_misses(DRAWS, 1)
    assert grouped.sum() <= most_misses(DRAWS, 1)


@pytest.mark.parametrize("spec", [Spec(), Spec(fails=(0.3, 0.15), prices=(0.1, 0.3), graded=True, levels=6)])
def test_the_rules_themselves_deploy_what_the_simulation_says_of_rows(spec):
    """The simulation runs the same tests for many draws at once: here each rule runs on the same rows, one by one."""
    place = world(spec, seed=4)
    draws = drawn_units(place, n=500, draws=20, seed=5)
    found = {name: selected(place, rule, n=500, draws=20, delta=DELTA, seed=5) for name, rule in CERTIFYING.items()}
    for i, drawn in enumerate(draws):
        units = row_units(500, seed=0)
        drawn_in_order = np.empty_like(drawn)
        drawn_in_order[units.order] = drawn  # so that the rule looks at them in the simulation's order
        verdicts = rules_on(place, drawn_in_order, units)
        assert {name: verdict.selected for name, verdict in verdicts.items()} == {n: found[n][i] for n in found}


def test_the_rules_keep_their_promise_on_groups_larger_than_they_take_rows_from():
    """At most 5 of up to 12 rows: the promise is about traffic in which a group counts as at most 5."""
    place = world(Spec(grouped=True, shared=0.9, group_effect=0.9), seed=1, population=6_000)
    sizes = np.diff(place.rows.starts, append=len(place.top))
    weight = np.repeat(np.minimum(sizes, 5) / sizes, sizes)
    misses = dict.fromkeys(CERTIFYING, 0)
    draws = drawn_units(place, n=2_000, draws=150, seed=3)
    for seed, drawn in enumerate(draws):
        rows = np.concatenate([np.arange(place.rows.starts[j], place.rows.starts[j] + sizes[j]) for j in drawn])
        names = np.repeat(np.arange(len(drawn)), sizes[drawn]).astype(str).tolist()
        verdicts = rules_on(place, rows, group_units(names, seed=seed, rows_a_group=5))
        for name, verdict in verdicts.items():
            misses[name] += verdict.selected > 0 and misses_by_weight(place, name, verdict.selected - 1, weight)
            assert verdict.status in (Status.CERTIFIED, Status.UNCERTIFIED)
    assert max(misses.values()) <= most_misses(150, 3)


def rules_on(place, rows, units):
    policies, top = place.policies, place.top[rows]
    lost, cheap, routed = policies.lost[:, rows], policies.cheap[:, rows], policies.routed[:, rows]
    start = {name: rule.start(place, units.count, DELTA) for name, rule in CERTIFYING.items()}
    shared = {"delta": DELTA, "units": units}
    return {
        "joint": joint(lost, alpha=ALPHA_JOINT, **shared),
        "conditional": conditional(cheap, lost, alpha=ALPHA_CONDITIONAL, start=start["conditional"], **shared),
        "quality_ratio": quality_ratio(routed, top, eps=EPS, start=start["quality_ratio"], **shared),
    }


def misses_by_weight(place, name, g, weight):
    policies = place.policies
    if name == "joint":
        return policies.lost[g] @ weight > ALPHA_JOINT * weight.sum()
    if name == "conditional":
        return policies.lost[g] @ weight > ALPHA_CONDITIONAL * (policies.cheap[g] @ weight)
    return policies.routed[g] @ weight < (1 - EPS) * (place.top @ weight)


def test_no_group_is_larger_than_the_simulation_assumes():
    place = world(Spec(grouped=True), seed=1)
    assert np.diff(place.rows.starts, append=len(place.top)).max() <= GROUP_ROWS
