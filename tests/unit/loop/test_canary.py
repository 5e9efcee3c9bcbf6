"""The canary's assignment and its decisions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.errors import SettingsError
from routenlp.loop.canary import Decision, Plan, arms_paired, judge, serves_candidate
from routenlp.loop.coverage import Promise
from routenlp.loop.kept_promises import ServedAudits

PLAN = Plan()


def test_a_conversation_keeps_its_policy_and_a_larger_share_keeps_those_of_a_smaller_one():
    names = [f"conversation {i}" for i in range(4000)]
    served = {share: {n for n in names if serves_candidate("v2", n, share)} for share in PLAN.shares}
    assert served[0.05] < served[0.25] < served[1.0] == set(names)
    assert len(served[0.05]) / 4000 == pytest.approx(0.05, abs=0.015)
    assert not any(serves_candidate("v2", n, 0.0) for n in names)


def test_another_candidate_is_tried_on_others():
    names = [f"conversation {i}" for i in range(4000)]
    first, second = ({n for n in names if serves_candidate(v, n, 0.25)} for v in ("v2", "v3"))
    assert len(first & second) / 4000 == pytest.approx(0.25**2, abs=0.02)


def test_audits_without_harm_lead_to_the_next_share_and_in_the_end_to_promotion():
    def at(stage, n):
        return judge([compared(lost=np.zeros(n))], PLAN, stage=stage, segments=0).decision

    assert [at(0, 49), at(0, 50), at(1, 149), at(1, 150)] == [
        Decision.WAIT,
        Decision.ADVANCE,
        Decision.WAIT,
        Decision.ADVANCE,
    ]
    assert at(2, 300) is Decision.PROMOTE


def test_nothing_bad_seen_is_no_proof():
    plan = Plan(audits=(10, 20, 30))
    found = judge([compared(lost=np.zeros(40))], plan, stage=2, segments=0)
    assert found.decision is Decision.WAIT
    more = judge([compared(lost=np.zeros(40 + found.audits_needed))], plan, stage=2, segments=0)
    assert more.decision is Decision.PROMOTE


def test_harm_takes_the_candidate_back_at_any_stage():
    lost = np.where(np.arange(200) % 3 == 0, 1.0, 0.0)
    found = judge([compared("fine", lost=np.zeros(200)), compared("bad", lost=lost)], PLAN, stage=0, segments=0)
    assert found.decision is Decision.ROLL_BACK
    assert found.share == 0.0
    assert "task bad" in found.reason
    assert next(s.harm_at for s in found.streams if s.task == "bad") < 200


def test_harm_once_evident_stays_so():
    lost = np.concatenate([np.ones(60), np.zeros(2000)])
    assert judge([compared(lost=lost)], PLAN, stage=2, segments=0).decision is Decision.ROLL_BACK


def test_harm_to_a_segment_takes_it_back_where_the_mean_would_not():
    segments = np.where(np.arange(1500) % 60 == 0, 1, 0)
    lost = np.where(segments == 1, 0.9, 0.0)
    assert judge([compared(lost=lost)], PLAN, stage=0, segments=2).decision is not Decision.ROLL_BACK
    found = judge([compared(lost=lost, segments=segments)], PLAN, stage=0, segments=2)
    assert found.decision is Decision.ROLL_BACK
    assert "segment 1" in found.reason


def test_what_is_never_proved_ends():
    lost = np.tile([0.03], 3000)
    found = judge([compared(lost=lost)], PLAN, stage=2, segments=0)
    assert found.decision is Decision.ROLL_BACK
    assert "not proved" in found.reason


def test_a_suspicion_holds_the_share_until_more_audits_have_said_which_it_was():
    plan = Plan(audits=(50, 150, 300))
    segments = np.where(np.arange(400) % 50 == 0, 1, 0)
    harmed = np.where(segments == 1, 1.0, 0.0)
    held = judge([compared(lost=harmed[:301], segments=segments[:301])], plan, stage=2, segments=2)
    assert held.decision is Decision.WAIT
    assert "suspected on task t, segment 1" in held.reason
    mended = np.concatenate([harmed[:301], np.zeros(700)])
    where = np.concatenate([segments[:301], np.arange(700) % 2])
    assert judge([compared(lost=mended, segments=where)], plan, stage=2, segments=2).decision is Decision.PROMOTE


def test_rows_of_the_gate_speak_against_a_candidate_and_never_for_it():
    segments = np.where(np.arange(1000) % 50 == 0, 1, 0)
    lost = np.where(segments == 1, 1.0, 0.0)
    audits = compared(lost=np.zeros(60), segments=np.ones(60))
    alone = judge([audits], PLAN, stage=0, segments=2)
    found = judge([audits], PLAN, stage=0, segments=2, gate=[compared(lost=lost, segments=segments)])
    assert found.decision is Decision.ROLL_BACK
    assert (found.audits, found.audits_needed) == (alone.audits, alone.audits_needed)


def test_a_task_without_an_audit_has_no_proof():
    other = compared("other", lost=np.zeros(400))
    found = judge([compared(lost=np.zeros(400))], PLAN, stage=2, segments=0, gate=[other])
    assert found.decision is Decision.WAIT
    assert found.audits_needed > 100


def test_a_task_that_the_gate_did_not_compare_needs_no_proof_and_is_watched_for_harm_all_the_same():
    gate = [compared(lost=np.zeros(400))]
    proved, rare = compared(lost=np.zeros(400)), compared("rare", lost=np.zeros(3))
    assert judge([proved, rare], PLAN, stage=2, segments=0).decision is Decision.WAIT
    assert judge([proved, rare], PLAN, stage=2, segments=0, gate=gate).decision is Decision.PROMOTE
    harmed = compared("rare", lost=np.ones(60))
    assert judge([proved, harmed], PLAN, stage=2, segments=0, gate=gate).decision is Decision.ROLL_BACK


def test_a_conversation_counts_once():
    rows = compared(lost=np.ones(500), groups=["one"] * 500)
    found = judge([rows], PLAN, stage=0, segments=0)
    assert found.audits == 1
    assert found.decision is Decision.WAIT


def test_arms_are_paired_in_the_order_of_their_audits():
    candidate = np.array([True, False, False, True, False])
    quality = np.array([0.1, 0.9, 0.8, 0.2, 0.7])
    assert arms_paired(candidate, quality) == pytest.approx([0.9 - 0.1, 0.8 - 0.2])


def test_the_evidence_is_json():
    found = judge([compared(lost=np.zeros(20), segments=np.arange(20) % 2)], PLAN, stage=0, segments=2)
    assert json.loads(json.dumps(found.evidence(), allow_nan=False))["plan"]["shares"] == [0.05, 0.25, 1.0]


@pytest.mark.parametrize("shares", [(), (0.5,), (0.25, 0.05, 1.0), (0.0, 1.0), (0.5, 1.5)])
def test_shares_must_rise_to_everything(shares):
    with pytest.raises(SettingsError, match=r"canary\.shares"):
        Plan(shares=shares, audits=(1,) * len(shares))


def test_a_candidate_that_does_not_keep_its_promise_is_taken_back_though_no_comparison_shows_harm():
    rows = [compared(lost=np.zeros(400))]
    fell = ServedAudits("t", Promise("quality_ratio", 0.03, 1.0), (-0.03,) * 100 + (-0.03, 0.97) * 100)
    found = judge(rows, PLAN, stage=2, segments=0, served=[fell])
    assert found.decision is Decision.ROLL_BACK
    assert 100 < found.broken.audits < 150
    assert "task t does not keep its quality_ratio at 0.03" in found.reason
    assert judge(rows, PLAN, stage=2, segments=0).decision is Decision.PROMOTE
    assert json.loads(json.dumps(found.evidence()))["broken"]["task"] == "t"
