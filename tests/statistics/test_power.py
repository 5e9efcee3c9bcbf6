"""What a certificate costs: one cheap tier at price 0.1 that fails 0.2 of the time, score AUROC 0.8, delta 0.1."""

from __future__ import annotations

import pytest

from routenlp.bench.guarantees.run import power
from routenlp.bench.guarantees.simulate import ASYMPTOTIC, selected
from routenlp.bench.guarantees.worlds import Spec, world


@pytest.fixture(scope="module")
def at_500():
    return {one.rule: one for one in power(500)}


def test_joint_escalates_at_most_half(at_500):
    assert at_500["joint"].escalated <= 0.50
    assert at_500["joint"].best_escalated == pytest.approx(0.39, abs=0.025)


def test_quality_ratio_bills_at_most_046_and_hardly_ever_falls_back(at_500):
    assert at_500["quality_ratio"].bill <= 0.46
    assert at_500["quality_ratio"].always_top <= 0.02
    assert at_500["quality_ratio"].best_bill == pytest.approx(0.26, abs=0.025)


def test_bills_are_close_to_those_of_an_oracle_z_test(at_500):
    for one in [*at_500.values(), *power(2_000, draws=250)]:
        assert one.bill <= 1.15 * one.oracle_bill, one.rule


def test_the_normal_approximation_misses_by_little_where_it_is_offered():
    """No promise at finite n: in the worst of these worlds it misses half as often again as delta, not more."""
    for spec in (Spec(), Spec(shared=0.0), Spec(graded=True)):
        place = world(spec, seed=3)
        for n in (250, 500, 2_000):
            deployed = selected(place, ASYMPTOTIC, n=n, draws=1_000, delta=0.1, seed=n)
            assert ASYMPTOTIC.missed(place)[deployed].mean() <= 0.15
