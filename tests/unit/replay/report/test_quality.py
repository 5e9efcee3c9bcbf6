from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.replay.report.made import audits, graded

from routenlp.conformal.binomial import upper_bound
from routenlp.replay.report.quality import Kept, Promise, TaskQuality, task_quality
from routenlp.replay.report.usable import JUDGE_ALONE, NOT_WHOLE
from routenlp.store.sql.graded import Quality

RATIO = Promise("quality_ratio", 0.03, 1.0)


def looked(found: list, promise: Promise | None = RATIO) -> TaskQuality:
    return task_quality("intent", found, promise, seed=0)


def test_every_answer_right_is_kept() -> None:
    found = looked(audits(60))
    assert (found.ratio.estimate, found.kept, found.gold, found.groups) == (1.0, Kept.YES, 60, 60)


def test_no_failure_seen_is_not_no_failure() -> None:
    found = looked(audits(60)).failed_given_accepted
    assert (found.estimate, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(upper_bound(0, 60, 0.025))


def test_a_conversation_of_many_requests_is_worth_one() -> None:
    same = [replace(a, group=f"g{i % 30}") for i, a in enumerate(audits(300))]
    assert looked(same).failed_given_accepted.high == pytest.approx(upper_bound(0, 30, 0.025))


def test_bad_answers_are_missed_and_few_audits_show_nothing() -> None:
    bad = audits(30, qualities=graded(0.0, 1.0))
    good = [replace(a, trace_id=f"b{i}", group=f"b{i}") for i, a in enumerate(audits(30))]
    assert looked(bad + good).kept is Kept.NO
    few = looked(audits(20))
    assert (few.ratio.estimate, few.ratio.low, few.kept) == (1.0, None, Kept.UNKNOWN)


def test_without_audits_nothing_is_known() -> None:
    found = looked([])
    assert (found.ratio.estimate, found.failed_given_accepted.estimate, found.kept) == (None, None, Kept.UNKNOWN)
    assert found.with_left_out is None


@pytest.mark.parametrize(
    ("guarantee", "kept"), [("joint", Kept.YES), ("conditional", Kept.OPEN), ("paper", Kept.UNKNOWN)]
)
def test_each_guarantee_is_looked_at_by_its_own_share(guarantee: str, kept: Kept) -> None:
    cheap = audits(40)
    top = [replace(a, trace_id=f"t{i}", group=f"t{i}", served="top") for i, a in enumerate(audits(400))]
    assert looked(cheap + top, Promise(guarantee, 0.05, 1.0)).kept is kept


def test_audits_without_a_grade_are_told_with_why_and_what_they_could_change() -> None:
    lost = [
        replace(a, trace_id=f"l{i}", state="missing", reason="tier_failed", qualities={})
        for i, a in enumerate(audits(20))
    ]
    found = looked(audits(80) + lost)
    assert found.left_out == {"missing: tier_failed": 20}
    assert found.with_left_out is not None
    assert found.with_left_out.low == pytest.approx(0.8)
    assert found.with_left_out.high == pytest.approx(1.25)


def test_a_judge_alone_counts_nowhere_but_under_its_own_name() -> None:
    found = looked(audits(40, qualities=graded(0.9, 1.0, "judge")))
    assert (found.graded, found.judged, found.left_out) == (0, 40, {JUDGE_ALONE: 40})
    assert found.ratio.estimate is None
    assert found.by_judge.estimate == pytest.approx(0.9)


def test_an_answer_without_a_grade_is_no_bad_answer() -> None:
    found = looked(audits(40, qualities={"small": Quality(1.0, None)}))
    assert (found.graded, found.left_out) == (0, {NOT_WHOLE: 40})
