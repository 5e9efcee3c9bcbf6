"""The gate passes what is shown to be no worse and cheaper, and says why it refuses the rest."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.errors import DataError
from routenlp.loop.coverage import Promise
from routenlp.loop.gate import Bar, judge, losing

BAR = Bar(most_usd=1.2)


def verdict(*tasks, bar=BAR, level=0.05):
    return judge(tasks, bar, level=level, seed=0)


def test_a_candidate_that_loses_nothing_and_saves_passes():
    found = verdict(compared(lost=np.zeros(800), saved=0.05))
    assert found.passed
    assert found.cost.gain == pytest.approx(0.05)
    assert 0.005 < found.cost.gain_at_least < 0.05
    assert found.quality[0].lost_at_most < 0.02


def test_a_candidate_that_saves_nothing_is_refused_for_the_cost_alone():
    found = verdict(compared(lost=np.zeros(800), saved=0.0))
    assert not found.passed
    assert found.quality[0].holds
    assert not found.cost.holds
    assert "Not shown to save" in found.reasons[0]


def test_every_task_must_hold():
    bad = np.where(np.arange(800) % 20 == 0, 1.0, 0.0)
    found = verdict(compared("fine", lost=np.zeros(800), saved=0.1), compared("bad", lost=bad, saved=0.1))
    assert [f.holds for f in found.quality] == [True, False]
    assert not found.passed


def test_a_certificate_that_the_gate_contradicts_stops_a_candidate_that_is_no_worse_than_the_policy_in_force():
    rows = compared(lost=np.zeros(800), saved=0.1, quality=0.8)
    promise = Promise("quality_ratio", 0.03, 1.0)
    found = judge([rows], BAR, level=0.05, seed=0, promises={"t": promise})
    assert found.quality[0].holds
    assert found.cost.holds
    assert not found.passed
    assert found.coverage[0].quality_ratio == pytest.approx(0.8)
    assert "contradict the certificate's quality_ratio" in found.reasons[0]
    kept = judge([compared(lost=np.zeros(800), saved=0.1)], BAR, level=0.05, seed=0, promises={"t": promise})
    assert kept.passed
    assert not kept.coverage[0].contradicted


def test_too_few_rows_say_how_many_would_do():
    found = verdict(compared(lost=np.zeros(60), saved=0.2))
    needed = found.quality[0].rows_needed
    assert needed > 60
    assert f"needs {needed} units" in found.reasons[0]
    assert verdict(compared(lost=np.zeros(needed), saved=0.2)).quality[0].holds
    assert not verdict(compared(lost=np.zeros(needed - 1), saved=0.2)).quality[0].holds


def test_harm_to_a_small_part_is_a_veto_that_the_mean_would_hide():
    segments = np.where(np.arange(2000) % 100 == 0, 3, 1)
    lost = np.where(segments == 3, 0.9, -0.01)
    found = verdict(compared(lost=lost, saved=0.1, segments=segments))
    assert found.quality[0].holds
    assert [s.segment for s in found.segments if s.vetoed] == [3]
    assert not found.passed
    assert "segment 3" in found.reasons[0]


def test_few_groups_prove_nothing_however_many_rows():
    groups = [f"g{i % 20}" for i in range(2000)]
    found = verdict(
        compared(lost=np.zeros(2000), saved=0.3, groups=groups), bar=Bar(most_usd=1.2, rows_a_group=20, margin=0.3)
    )
    assert found.quality[0].p_value < 0.05
    assert not found.quality[0].holds
    assert not found.passed


def test_a_gain_of_one_query_beyond_the_cap_counts_up_to_the_cap():
    saved = np.zeros(800)
    saved[:5] = -100.0
    found = verdict(compared(lost=np.zeros(800), saved=saved))
    assert found.cost.rows_capped == 5
    assert found.cost.candidate < 1.0


def test_the_evidence_is_json():
    found = verdict(compared(lost=np.zeros(100), saved=0.1, segments=np.arange(100) % 3))
    assert json.loads(json.dumps(found.evidence(), allow_nan=False))["kind"] == "gate"


def test_no_task_is_no_verdict():
    with pytest.raises(DataError, match="no task"):
        verdict()


def test_a_task_without_rows_is_not_shown_to_be_fine():
    found = verdict(compared("full", lost=np.zeros(800), saved=0.2), compared("empty", lost=np.zeros(0)))
    assert not found.passed
    assert "no row" in found.reasons[0]


def test_a_task_that_loses_beyond_the_margin_is_named_and_others_are_not():
    tasks = [compared("worse", lost=np.full(50, 0.05)), compared("same", lost=np.zeros(50))]
    assert losing(tasks, Bar()) == pytest.approx({"worse": 0.05})
    assert losing(tasks, Bar(left_from=0.06)) == {}


def test_where_every_task_loses_none_is_left_out_and_the_gate_rejects_them():
    assert losing([compared("worse", lost=np.full(50, 0.05))], Bar()) == {}
