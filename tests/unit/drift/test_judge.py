"""The judge's detector: what a gap is, what it remembers, and which way a judge leans."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from routenlp.drift.judge import JudgeDetector, JudgeState, leniency, more_lenient
from routenlp.errors import DataError

DETECTOR = JudgeDetector(1_000.0)


def after(gaps, seed=0, state=None):
    state = state or DETECTOR.start()
    for gap, tie in zip(gaps, np.random.default_rng(seed).random(len(gaps)).tolist(), strict=True):
        state = DETECTOR.see(state, gap, tie)
    return state


@pytest.mark.parametrize(
    ("guarantee", "gold", "judged", "gap"),
    [
        ("joint", {"small": 0.0, "top": 1.0}, {"small": 1.0, "top": 1.0}, 1.0),
        ("joint", {"small": 1.0, "top": 1.0}, {"small": 0.4, "top": 1.0}, -1.0),
        ("joint", {"small": 0.6, "top": 0.0}, {"small": 0.9, "top": 1.0}, 0.0),
        ("paper", {"a": 0.0, "b": 1.0, "top": 1.0}, {"a": 1.0, "b": 1.0, "top": 1.0}, 0.5),
        ("quality_ratio", {"small": 0.5, "top": 0.5}, {"small": 0.7, "top": 0.7}, 0.01),
        ("quality_ratio", {"small": 0.5, "top": 0.8}, {"small": 0.7, "top": 0.8}, 0.2),
        ("quality_ratio", {"small": 0.5, "top": 0.8}, {"small": 0.5, "top": 0.6}, 0.19),
    ],
)
def test_a_gap_is_how_much_worse_people_find_cheap_answers(guarantee, gold, judged, gap):
    assert leniency(guarantee, 0.05, 0.5, "top", gold, judged) == pytest.approx(gap)


@pytest.mark.parametrize(
    ("gold", "judged"),
    [({"small": 1.0}, {"small": 1.0, "top": 1.0}), ({"top": 1.0}, {"top": 1.0}), ({"small": 1.0, "top": 1.0}, {})],
)
def test_without_both_grades_of_the_top_and_a_cheap_answer_there_is_no_gap(gold, judged):
    assert leniency("joint", 0.05, 1.0, "top", gold, judged) is None


@pytest.mark.parametrize(("gap", "lenient"), [(0.4, True), (-0.4, False)])
def test_it_says_which_way_the_judge_leans(gap, lenient):
    state = after([gap] * 40, state=after(np.tile([-0.2, 0.0, 0.2], 60).tolist()))
    assert DETECTOR.level(state) >= 1.0
    assert more_lenient(state) is lenient


def test_a_judge_that_was_always_lenient_is_no_news():
    assert DETECTOR.level(after([0.5] * 300)) < 1.0


def test_what_it_remembers_survives_json():
    state = after([0.1, -0.3, 0.0])
    again = msgspec.json.decode(msgspec.json.encode(state), type=JudgeState)
    assert after([0.2] * 5, 1, again) == after([0.2] * 5, 1, state)
    assert (state.seen, state.mean_gap) == (3, pytest.approx(-0.2 / 3))


@pytest.mark.parametrize("gap", [2.5, -2.5, float("nan"), float("inf")])
def test_a_gap_that_no_grades_can_make_is_refused(gap):
    with pytest.raises(DataError, match="gap of judge and people"):
        DETECTOR.see(DETECTOR.start(), gap, 0.5)


@pytest.mark.parametrize("gap", [2.0, -2.0])
def test_the_largest_gaps_have_a_bin(gap):
    assert after([gap]).mean_gap == pytest.approx(gap)


@pytest.mark.parametrize("samples", [0.0, float("nan"), float("inf")])
def test_fewer_than_one_sample_until_a_false_alarm_is_refused(samples):
    with pytest.raises(DataError, match="samples until a false alarm"):
        JudgeDetector(samples)
