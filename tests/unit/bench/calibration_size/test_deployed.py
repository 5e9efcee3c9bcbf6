from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from routenlp.bench.calibration_size.deployed import effects, escalated_if_correct, fix_ladder, never_cheap
from routenlp.replay.recorded import Recorded

NONE = float("nan")
Make = Callable[..., Recorded]


def test_a_ladder_grows_bolder_and_leaves_out_always_top(make: Make) -> None:
    train = make(300)
    ladder = fix_ladder(train)
    found = effects(train, ladder)
    assert len(ladder) > 5
    assert not never_cheap(ladder).any()
    assert (np.diff(found.cost.sum(axis=1)) < 0).all()


def test_always_top_calls_no_cheap_tier(make: Make) -> None:
    found = effects(make(50), np.array([[NONE, NONE, NONE]]))
    assert found.correct.sum() == found.cheap.sum() == found.lost.sum() == 0.0
    assert np.array_equal(found.cost[0], found.top_cost)


def test_every_answer_is_counted_where_it_was_given(make: Make) -> None:
    rows = replace(
        make(3),
        quality=np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]),
        score=np.array([[0.1, 0.1, 0.0], [0.9, 0.1, 0.0], [0.9, 0.9, 0.0]]),
    )
    found = effects(rows, np.array([[0.5, 0.5, NONE]]))
    assert found.correct.tolist() == [[1.0, 1.0, 1.0]]
    assert found.escalated.tolist() == [[0.0, 1.0, 1.0]]
    assert found.lost.tolist() == [[0.0, 1.0, 0.0]]
    assert found.cheap.tolist() == [[1.0, 1.0, 0.0]]


def test_a_tier_is_judged_on_all_queries_whichever_reach_it(make: Make) -> None:
    rows = replace(
        make(4),
        quality=np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]),
        score=np.array([[0.1, 0.9, 0.0], [0.2, 0.1, 0.0], [NONE, 0.1, 0.0], [0.1, 0.1, 0.0]]),
    )
    shares = escalated_if_correct(rows, np.array([[0.1, 0.5, NONE], [NONE, NONE, NONE]]))
    assert np.allclose(shares, [[2 / 3, 1.0], [1.0, 1.0]])
