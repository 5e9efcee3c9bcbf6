"""The e-detector against its recipe, what it refuses, and what survives a restart."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.drift.detector import Detector, State, once_a_year
from routenlp.drift.watches import watch
from routenlp.errors import DataError

JOINT = watch("joint", 0.05)


def after(detector: Detector, samples: list[float]) -> State:
    state = detector.start()
    for x in samples:
        state = detector.see(state, x)
    return state


@given(st.lists(st.sampled_from([0.95, -0.05]), max_size=40))
def test_it_is_the_sum_over_all_starts_of_what_betting_since_then_has_won(samples):
    state = after(Detector(JOINT, 100.0), samples)
    for found, bet in zip(state.statistics, JOINT.bets, strict=True):
        won = [math.prod(1.0 + bet * x for x in samples[begin:]) for begin in range(len(samples))]
        assert found == pytest.approx(sum(won))


@given(st.lists(st.sampled_from([0.95, -0.05]), min_size=1, max_size=60), st.integers(0, 59))
def test_a_restart_from_stored_state_changes_nothing(samples, at):
    detector = Detector(JOINT, 100.0)
    stored = msgspec.json.encode(after(detector, samples[:at]))
    state = msgspec.json.decode(stored, type=State)
    for x in samples[at:]:
        state = detector.see(state, x)
    assert state == after(detector, samples)


def test_failures_raise_the_alarm_and_good_audits_do_not():
    detector = once_a_year(JOINT, 100.0)
    assert not detector.alarmed(after(detector, [-0.05] * 5_000))
    assert detector.alarmed(after(detector, [0.95] * 10))


def test_the_level_is_the_share_of_the_way_to_the_alarm():
    detector = Detector(JOINT, 10.0)
    assert detector.level(detector.start()) == 0.0
    state = State((4.0,) * len(JOINT.bets), 3)
    assert detector.level(state) == pytest.approx(0.4)
    assert detector.alarmed(State((10.0,) * len(JOINT.bets), 3))


def test_statistics_stay_finite_when_nobody_heeds_the_alarm():
    state = after(Detector(JOINT, 10.0), [0.95] * 5_000)
    assert all(map(math.isfinite, state.statistics))


@pytest.mark.parametrize("x", [math.nan, math.inf, -0.06])
def test_a_sample_that_cannot_be_is_refused(x):
    detector = Detector(JOINT, 100.0)
    with pytest.raises(DataError, match="audited loss"):
        detector.see(detector.start(), x)


@pytest.mark.parametrize("samples", [0.0, 0.5, math.inf, math.nan])
def test_an_alarm_at_every_sample_or_never_is_no_detector(samples):
    with pytest.raises(DataError, match="false alarm"):
        Detector(JOINT, samples)


def test_a_task_with_few_audits_gets_one_false_alarm_a_year_too():
    assert once_a_year(JOINT, 8.0).false_alarm_samples == 2_920.0
    assert once_a_year(JOINT, 0.0).false_alarm_samples == 1.0
    with pytest.raises(DataError, match="audits a day"):
        once_a_year(JOINT, math.nan)


def test_a_sample_costs_the_same_however_many_came_before():
    detector = Detector(watch("quality_ratio", 0.03), 1e4)
    rng = np.random.default_rng(0)
    state = after(detector, rng.uniform(-1.0, 0.97, 2_000).tolist())
    assert len(state.statistics) == len(detector.watch.bets)
    assert state.seen == 2_000
