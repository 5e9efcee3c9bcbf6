"""The simulated judge, read by the reader of real judges."""

from __future__ import annotations

import json

import numpy as np
import pytest

from routenlp.bench.pilot.judge import ERROR_RATE, SimulatedJudge, shown_to
from routenlp.grading.judge import judge_messages, read_grades


def grades(judge: SimulatedJudge, quality: float, n: int = 2_000) -> np.ndarray:
    return np.array([judge.grade(f"answer {i}", quality, "asked") for i in range(n)])


def test_its_reply_is_one_that_the_grader_reads():
    messages = judge_messages("[]", "good", "bad")
    reply = SimulatedJudge().reply(shown_to(messages), {"good": 1.0, "bad": 0.0})
    found = read_grades(reply)
    assert found is not None
    assert 0.0 <= found.first <= 1.0
    assert set(json.loads(reply)) == {"first", "second"}


def test_it_errs_as_often_as_it_says():
    assert np.mean(grades(SimulatedJudge(), 1.0) < 0.5) == pytest.approx(ERROR_RATE, abs=0.03)
    assert np.mean(grades(SimulatedJudge(), 0.0) > 0.5) == pytest.approx(ERROR_RATE, abs=0.03)


def test_a_lenient_one_likes_what_is_bad():
    assert np.mean(grades(SimulatedJudge(lenient=0.9), 0.0) > 0.5) > 0.85


def test_the_same_answer_gets_the_same_grade():
    assert SimulatedJudge().grade("a", 0.4, "k") == SimulatedJudge().grade("a", 0.4, "k")
