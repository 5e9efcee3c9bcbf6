"""Rules that keep thresholds up to date, on labels made for the purpose."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from routenlp.bench.pilot.ablation import AciRule, PaperRule, Seen, first_scores, first_window

HOUR_S = 3_600.0


def seen(scores: np.ndarray, right: bool = True) -> list[Seen]:
    return [Seen(np.array([s, s]), np.array([right, right])) for s in scores]


def window(scores: np.ndarray) -> deque[Seen]:
    return deque(seen(scores), maxlen=2_000)


def test_the_papers_rule_keeps_its_thresholds_for_48_hours_and_then_takes_new_ones():
    rule = PaperRule((0.05, 0.05), window(np.linspace(0.0, 0.5, 200)), 0.0)
    before = rule.limits().copy()
    for one in seen(np.linspace(0.0, 0.52, 300)):
        rule.see(one)
    rule.pass_time(47 * HOUR_S)
    assert np.array_equal(rule.limits(), before)
    rule.pass_time(48 * HOUR_S)
    assert not np.array_equal(rule.limits(), before)


def test_a_fall_of_coverage_by_five_points_does_not_wait():
    rule = PaperRule((0.05, 0.05), window(np.linspace(0.0, 0.5, 200)), 0.0)
    before = rule.limits().copy()
    for one in seen(np.full(40, 0.9)):
        rule.see(one)
    rule.pass_time(HOUR_S)
    assert rule.limits()[0] > before[0]


def test_aci_widens_when_right_answers_are_escalated():
    rule = AciRule(
        (0.1, 0.1), first_scores(np.linspace(0, 1, 300)[:, None].repeat(3, 1), np.ones((300, 3), dtype=bool))
    )
    before = rule.limits()[0]
    for one in seen(np.full(60, 0.99)):
        rule.see(one)
    assert rule.limits()[0] > before


def test_wrong_answers_move_nothing_in_aci():
    rule = AciRule(
        (0.1, 0.1), first_scores(np.linspace(0, 1, 300)[:, None].repeat(3, 1), np.ones((300, 3), dtype=bool))
    )
    before = rule.limits().tolist()
    for one in seen(np.full(60, 0.99), right=False):
        rule.see(one)
    assert rule.limits().tolist() == pytest.approx(before)


def test_both_begin_with_the_calibration_rows():
    score, right = (
        np.array([[0.1, 0.2, np.nan], [0.3, 0.4, np.nan]]),
        np.array([[True, False, True], [True, True, True]]),
    )
    assert len(first_window(score, right)) == 2
    assert [list(scores) for scores in first_scores(score, right)] == [[0.1, 0.3], [0.4]]
