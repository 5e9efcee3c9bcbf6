"""The named rates, on four queries counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit import worlds
from tests.unit.replay.test_cascade import Lookup

from routenlp.bench.six_tasks.measures import Ran, measure
from routenlp.replay.serve import serve
from routenlp.types import Query

# small right and sure; small wrong and sure; small right but unsure, mid right; small and mid wrong, top answers
QUALITY = [[1, 1, 1], [0, 1, 1], [1, 1, 1], [0, 0, 1]]
SCORE = [[0.1, 0.1, np.nan], [0.1, 0.1, np.nan], [0.9, 0.1, np.nan], [0.9, 0.9, np.nan]]


@pytest.fixture(scope="module")
def row():
    recorded = worlds.recorded(QUALITY, SCORE)
    policy = worlds.policy(worlds.thresholds({"small": 0.5, "mid": 0.5}))
    backends = {t: Lookup({f"q{i}": r[k] for i, r in enumerate(recorded.answers)}) for k, t in enumerate(worlds.TIERS)}
    traces = tuple(serve(policy, backends, Query(f"q{i}", "intent", "text")) for i in range(4))
    quality = np.array([recorded.quality[i, worlds.TIERS.index(t.answer.tier)] for i, t in enumerate(traces)])
    measured = measure([Ran("ours", traces, quality)], recorded, 0.015, lambda _: {"figure": 1.0}, seed=0)
    return measured.rows[0]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("quality", 3 / 4),
        ("quality_ratio", 3 / 4),
        ("escalated", 2 / 4),
        ("p_escalated_given_correct", 1 / 3),  # cheap and right: small twice, mid once; one small was escalated
        ("p_accepted_and_failed", 1 / 4),
        ("p_failed_given_accepted", 1 / 3),
        ("sla_missed", 2 / 4),  # two and three steps of 10 ms against 15 ms
    ],
)
def test_each_rate_counts_what_its_name_says(row, rate, expected):
    assert getattr(row, rate).estimate == pytest.approx(expected)


def test_cost_counts_every_tier_called(row):
    small, mid, top = worlds.PRICES
    assert row.cost_ratio.estimate == pytest.approx((4 * small + 2 * mid + top) / (4 * top))


def test_shares_are_of_the_tier_that_answered(row):
    assert {t: s.estimate for t, s in row.tier_shares.items()} == {"small": 0.5, "mid": 0.25, "top": 0.25}


def test_figures_over_all_answers_are_handed_through(row):
    assert row.corpus == {"figure": 1.0}
