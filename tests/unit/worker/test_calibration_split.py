"""When the next attempt at a calibration is worth while."""

from __future__ import annotations

import pytest

from routenlp.conformal.verdict import Method, Status, Verdict
from routenlp.replay.audited import AuditRow, Walked
from routenlp.store.sql.recalibrations import Attempt
from routenlp.types import Query
from routenlp.worker.calibration_split import Split, more_labels, renewed_at

ROW = AuditRow("a", "a", Query("a", "intent", "text"), {}, {}, None, None, None)
VERDICT = Verdict(
    rule="quality_ratio",
    target=0.03,
    delta=0.1,
    selected=0,
    tested_from=1,
    p_values=(),
    estimate=None,
    bound=None,
    n=100,
    groups=100,
    design_effect=None,
    method=Method.BETTING,
    status=Status.UNCERTIFIED,
    reason="",
)


def more(needed: int | None, *, guide: int = 0, set_aside: int = 0) -> int:
    split = Split((ROW,) * 100, (ROW,) * guide, 0, None, None, set_aside)
    return more_labels(Walked(VERDICT, 0, None, needed, 100, 0, None, top=1.0, cheap=0.0), split)


@pytest.mark.parametrize(("needed", "waited"), [(0, 25), (60, 60), (100, 100), (400_000, 200), (None, 200)])
def test_the_next_attempt_waits_for_a_quarter_more_at_least_and_for_twice_as_many_at_most(needed, waited):
    assert more(needed) == waited


@pytest.mark.parametrize(("days", "new"), [(-1.0, 200), (1.0, 200), (6.9, 200), (7.0, 125), (30.0, 125)])
def test_a_proof_that_is_a_week_old_waits_for_no_more_than_can_be_tested_alone(days, new):
    last = Attempt("intent", 1e9, "alarm", "active", "version", {"graded": 300, "n": 100})
    assert renewed_at(last, 1e9 + days * 86_400.0) == 300 + new


def test_audits_from_before_an_alarm_that_guide_the_walk_make_no_attempt_wait_longer():
    assert more(60, guide=1_600) == 60
    assert more(60, guide=25, set_aside=25) == 75
