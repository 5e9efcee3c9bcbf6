from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from routenlp.bench.calibration_size.deployed import effects, fix_ladder
from routenlp.bench.calibration_size.rules import ALPHA, CERTIFYING, DELTA, EPS, certify, publish
from routenlp.bench.calibration_size.run import drawn
from routenlp.conformal.conditional import conditional, most_testable
from routenlp.conformal.groups import row_units
from routenlp.conformal.joint import joint
from routenlp.conformal.paper import paper_threshold
from routenlp.replay.recorded import Recorded

Make = Callable[..., Recorded]


@pytest.mark.parametrize("name", ["joint 0.05", "conditional 0.10"])
def test_many_walks_at_once_end_where_the_rule_itself_does(make: Make, name: str) -> None:
    train, pool = make(300, 1), make(700, 2)
    ladder = fix_ladder(train)
    found, rows = effects(pool, ladder), drawn(700, n=300, draws=8, seed=3)
    walked = certify(CERTIFYING[name], ladder, train, found, rows).policy
    for draw, selected in zip(rows, walked, strict=True):
        units, lost, cheap = row_units(300, seed=0), found.lost[:, draw], found.cheap[:, draw]
        if name.startswith("joint"):
            verdict = joint(lost, alpha=ALPHA, delta=DELTA, units=units)
        else:
            said = effects(train, ladder)
            start = most_testable(said.cheap, said.lost, alpha=0.10)
            verdict = conditional(cheap, lost, alpha=0.10, delta=DELTA, units=units, start=start)
        assert verdict.selected == selected


def test_the_paper_s_thresholds_are_those_of_the_rule(make: Make) -> None:
    pool = make(300)
    rows = drawn(300, n=100, draws=3, seed=1)
    deployed = publish(pool, rows)
    mine = paper_threshold(pool.score[rows[2], 1], pool.handled[rows[2], 1], ALPHA).threshold
    assert deployed.thresholds[deployed.policy[2], 1] == mine
    assert not deployed.not_given.any()


def test_too_few_correct_answers_escalate_and_promise_nothing(make: Make) -> None:
    deployed = publish(make(300), drawn(300, n=15, draws=4, seed=1))
    assert deployed.not_given.all()
    assert np.isnan(deployed.thresholds).all()


def test_too_few_rows_end_at_always_top(make: Make) -> None:
    train, pool = make(300, 1), make(700, 2)
    ladder = fix_ladder(train)
    for rule in CERTIFYING.values():
        done = certify(rule, ladder, train, effects(pool, ladder), drawn(700, n=20, draws=5, seed=0))
        assert done.not_given.all()


def test_each_rule_bounds_its_own_quantity(make: Make) -> None:
    pool = make(400)
    found = effects(pool, np.array([[0.5, 0.5, np.nan], [np.nan, np.nan, np.nan]]))
    lost, cheap = found.lost.mean(axis=1), found.cheap.mean(axis=1)
    assert CERTIFYING["joint 0.05"].risk(found).tolist() == lost.tolist()
    assert CERTIFYING["conditional 0.05"].risk(found)[0] == pytest.approx(lost[0] / cheap[0])
    assert CERTIFYING["quality_ratio 0.03"].risk(found)[0] == pytest.approx(lost[0])
    assert all(rule.risk(found)[1] == 0.0 for rule in CERTIFYING.values())
    assert CERTIFYING["quality_ratio 0.03"].target == EPS
