"""Pairs of one seed, and what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.bench.record.rows import row

from routenlp.bench.seqkd.lessons import Ground, Scene
from routenlp.bench.seqkd.report import as_json, checks, figures, notes, paired, tables
from routenlp.bench.seqkd.run import RANDOM, TARGETED, TaskResult
from routenlp.bench.seqkd.size import FULL, SMALL

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def result():
    rows = [row(name, fold="test") for name in NAMES]
    at = np.arange(4)
    zeros = np.zeros(4)
    scene = Scene("cs_response", 0.2, rows, zeros, zeros, np.zeros((4, 2), dtype=np.float32))
    ground = Ground(at, 1, at, at, {0: 300}, {0: "card, lost"}, at[:2], at[:3], at[3:])
    arms = {
        seed: {RANDOM: dict.fromkeys(NAMES, 0.2), TARGETED: {"a": 0.3 + seed / 100, "b": 0.3, "c": 0.2, "d": 0.1}}
        for seed in range(3)
    }
    return TaskResult(scene, ground, rows, dict.fromkeys(NAMES, 0.1), arms)


def test_means_are_over_rows_then_seeds_and_differences_within_a_seed(result):
    judged, near, rest = figures("cs_response", result)
    assert (judged.count, near.count, rest.count) == (2, 1, 1)
    assert judged.base == pytest.approx(0.1)
    assert judged.arms[TARGETED] == pytest.approx(0.305)
    assert judged.difference.estimate == pytest.approx(0.105)
    assert judged.difference.low > 0.0
    assert rest.difference.estimate == pytest.approx(-0.1)


def test_students_interval_is_that_of_scipy_and_one_pair_has_none():
    from scipy.stats import ttest_1samp

    values = [0.01, 0.03, -0.01, 0.02, 0.02]
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = paired(values)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert paired([0.1]).low is None


def test_the_claim_is_made_on_the_failures_alone(result):
    found = figures("cs_response", result)
    (check,) = checks(found)
    assert check["holds"]
    assert [table.title for table in tables(found)] == ["cs_response: ROUGE-L"]
    assert "300 of “card, lost”" in notes({"cs_response": result}, FULL)[0]
    assert "without examples" in notes({"cs_response": result}, SMALL)[-1]
    frame = as_json(found, {"cs_response": result}, FULL, seed=0, seconds=1.0)
    assert frame["rows"][0]["difference"][0] == pytest.approx(0.105)
