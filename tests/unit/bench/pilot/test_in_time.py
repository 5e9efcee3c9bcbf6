"""How few queries can come late: an oracle loses the smallest losses first, and no more than the target leaves."""

from __future__ import annotations

import numpy as np

from routenlp.bench.pilot.in_time import fewest

LATE, SOON = 0.8, 0.1


def test_it_comes_late_where_no_tier_in_time_is_good_enough_but_for_what_may_be_lost():
    quality = np.array([[1.0, 1.0]] * 90 + [[0.0, 1.0]] * 10)
    latency_s = np.array([[SOON, LATE]] * 100)
    assert fewest(quality, latency_s, sla_s=0.2, eps=0.0).missed == 10
    assert fewest(quality, latency_s, sla_s=0.2, eps=0.03).missed == 7
    assert fewest(quality, latency_s, sla_s=0.2, eps=0.03).top == 100


def test_small_losses_spare_more():
    quality = np.array([[0.9, 1.0]] * 10 + [[0.0, 1.0]] * 10)
    latency_s = np.array([[SOON, LATE]] * 20)
    assert fewest(quality, latency_s, sla_s=0.2, eps=0.05).missed == 10


def test_a_query_that_no_tier_answers_in_time_is_late_whatever_is_lost():
    quality = np.array([[np.nan, 1.0], [1.0, 1.0]])
    latency_s = np.array([[np.nan, LATE], [LATE, LATE]])
    assert fewest(quality, latency_s, sla_s=0.2, eps=1.0).missed == 2
