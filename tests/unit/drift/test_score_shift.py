"""The early warning: silent on scores like the reference, loud on others, the same after a restart."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from routenlp.drift.score_shift import ScoreShift, ShiftState, shift_from
from routenlp.errors import DataError


def run(shift: ScoreShift, state: ShiftState, scores, rng) -> tuple[ShiftState, int | None]:
    """The last state, and after how many samples it warned first."""
    first = None
    for at, (score, tie) in enumerate(zip(scores, rng.random(len(scores)).tolist(), strict=True), 1):
        state = shift.see(state, score, tie)
        if first is None and shift.warns(state):
            first = at
    return state, first


@pytest.mark.parametrize("shape", [(2, 5), (0.5, 0.5), (8, 2)])
@pytest.mark.parametrize("change", [(6, 3), (20, 0.5)])
def test_other_scores_are_noticed_soon(shape, change):
    rng = np.random.default_rng(1)
    shift, state = shift_from(rng.beta(*shape, 500), 10_000.0)
    assert run(shift, state, rng.beta(*shape, 300).tolist(), rng)[1] is None
    assert run(shift, state, rng.beta(*change, 600).tolist(), rng)[1] is not None


def test_scores_that_spread_around_the_same_middle_are_noticed():
    rng = np.random.default_rng(2)
    shift, state = shift_from(rng.uniform(0.4, 0.6, 500), 10_000.0)
    assert run(shift, state, rng.choice([0.0, 1.0], 300).tolist(), rng)[1] < 200


def test_answers_that_lose_their_score_are_noticed():
    rng = np.random.default_rng(3)
    shift, state = shift_from(rng.beta(2, 5, 500), 10_000.0)
    assert run(shift, state, [None] * 60, rng)[1] is not None


def test_a_constant_reference_stays_silent_on_itself():
    rng = np.random.default_rng(4)
    shift, state = shift_from(np.full(200, 0.3), 10_000.0)
    assert run(shift, state, [0.3] * 1_000, rng)[1] is None


def test_a_restart_changes_nothing():
    rng = np.random.default_rng(5)
    shift, state = shift_from(rng.random(100), 1_000.0)
    before, _ = run(shift, state, rng.random(50).tolist(), np.random.default_rng(6))
    restored = msgspec.json.decode(msgspec.json.encode(before), type=ShiftState)
    assert msgspec.json.decode(msgspec.json.encode(shift), type=ScoreShift) == shift
    assert restored == before
    assert shift.see(restored, 0.9, 0.5) == shift.see(before, 0.9, 0.5)


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_a_score_that_is_none_is_refused(score):
    shift, state = shift_from(np.array([0.5]), 100.0)
    with pytest.raises(DataError, match="score"):
        shift.see(state, score, 0.5)


def test_nothing_can_be_compared_with_no_reference():
    with pytest.raises(DataError, match="early warning"):
        shift_from(np.empty(0), 100.0)
