from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.recorded_world import with_quality, without_confidence, world

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.features import take
from routenlp.replay.backtest.paper import paper_result

CALIBRATE, TEST = world(800, seed=1), world(800, seed=2)


def test_correct_answers_are_sent_on_about_as_often_as_alpha_says():
    found = paper_result(CALIBRATE, TEST, Target(alpha=0.05))
    assert found.status is Status.CERTIFIED
    assert found.p_escalated_given_correct.estimate == pytest.approx(0.05, abs=0.025)


def test_accepted_wrong_answers_are_not_bounded():
    assert paper_result(CALIBRATE, TEST, Target(alpha=0.05)).test.p_failed_given_accepted.low > 0.05


def test_too_few_correct_answers_escalate_and_promise_nothing():
    few = take(CALIBRATE, np.arange(15))
    found = paper_result(few, TEST, Target(alpha=0.05))
    assert found.status is Status.UNCERTIFIED
    assert found.thresholds == (None, None)
    assert found.test.cost_ratio.estimate > 1.0


def test_no_correct_answers_at_all_are_too_few():
    hopeless = with_quality(CALIBRATE, np.zeros((CALIBRATE.n, 3)))
    assert paper_result(hopeless, TEST, Target()).status is Status.UNCERTIFIED


def test_without_confidence_nothing_can_be_measured():
    found = paper_result(without_confidence(CALIBRATE), without_confidence(TEST), Target())
    assert (found.status, found.test, found.p_escalated_given_correct) == (Status.UNCERTIFIED, None, None)


def test_an_answer_without_a_confidence_is_never_accepted():
    gaps = replace(TEST, confidence=np.full_like(TEST.confidence, np.nan))
    assert paper_result(CALIBRATE, gaps, Target()).test.p_failed_given_accepted.estimate is None


def test_rows_in_groups_are_not_exchangeable_one_by_one():
    grouped = replace(CALIBRATE, groups=np.arange(800) // 4)
    assert paper_result(grouped, TEST, Target()).status is Status.EMPIRICAL
