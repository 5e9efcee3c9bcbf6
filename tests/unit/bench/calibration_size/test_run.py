from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pytest

from routenlp.bench.calibration_size import report, words
from routenlp.bench.calibration_size.answers import MEANS_THE_SAME, TaskAnswers, other_domain
from routenlp.bench.calibration_size.measure import Trial, figures
from routenlp.bench.calibration_size.published import SIZES
from routenlp.bench.calibration_size.rules import CERTIFYING, PAPER, Deployed
from routenlp.bench.calibration_size.run import Result, drawn, measure
from routenlp.bench.progress import LineProgress
from routenlp.replay.recorded import Recorded
from routenlp.types import Example, Query

Make = Callable[..., Recorded]


@pytest.fixture(scope="module")
def result(make: Make) -> Result:
    answers = {
        name: TaskAnswers(make(500, s), make(1_000, s + 1), make(400, s + 2), make(200, s + 3) if s else None)
        for name, s in (("a", 0), ("b", 10))
    }
    return measure(answers, LineProgress(io.StringIO()), draws=30)


def test_every_rule_and_size_is_measured_at_home_and_away(result: Result) -> None:
    at_home = {(f.calibrated_on, f.rule, f.n) for f in result.same}
    assert at_home == {(t, r, n) for t in "ab" for r in (PAPER, *CERTIFYING) for n in SIZES}
    away = {(f.calibrated_on, f.fresh) for f in result.shifted}
    assert away == {
        ("a", "a, test split"),
        ("a", "b, its own students"),
        ("b", "b, test split"),
        ("b", "a, its own students"),
        ("b", "CLINC150 queries"),
    }


def test_the_paper_s_rule_keeps_its_average_and_no_more(result: Result) -> None:
    for one in (f for f in result.same if f.rule == PAPER and f.n >= 250):
        assert all(0.03 < share < 0.06 for share in one.tiers_escalated)
        assert 0.2 < (one.over_target.estimate or 0.0) < 0.95


def test_the_certified_rules_keep_their_promise(result: Result) -> None:
    assert all(check["holds"] for check in report.checks(result, seconds=1.0))


def test_what_is_said_can_be_shown_and_written(result: Result) -> None:
    json.dumps([*report.rows(result), *report.checks(result, seconds=1.0)], allow_nan=False)
    shown = [table.markdown() for table in report.tables(result)]
    assert len(shown) == 4
    assert "7.2% [3.4, 14.4]" in shown[0]
    assert "nan" not in "".join(shown)
    assert "5%" in words.which_rate_it_was(result)
    assert words.notes(result, seconds=1.0)


def test_a_calibration_is_judged_on_rows_that_it_did_not_draw(make: Make) -> None:
    pool = make(4)
    fails = np.array([[1.0, 1.0, 1.0]] * 3 + [[0.0, 1.0, 1.0]])
    pool = Recorded(**{f: getattr(pool, f) for f in Recorded.__slots__} | {"quality": fails})
    everything = Deployed(np.array([[1.0, np.nan, np.nan]]), np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.bool_))
    rows = np.array([[3, 3], [0, 1]])
    found = figures(Trial("t", "t", rows, pool, within=True), "joint 0.05", everything)
    assert found.accepted_and_failed.estimate == pytest.approx((0 / 3 + 1 / 2) / 2)
    assert found.over == 2  # the true risk is 1 in 4, whatever a draw saw


def test_calibrations_that_end_at_always_top_have_no_rates(make: Make) -> None:
    at_top = Deployed(np.full((1, 3), np.nan), np.zeros(5, dtype=np.int64), np.ones(5, dtype=np.bool_))
    rows = drawn(60, n=10, draws=5, seed=0)
    found = figures(Trial("t", "t", rows, make(60), within=True), "joint 0.05", at_top)
    assert found.escalated_given_correct.estimate is None
    assert found.failed_given_accepted.estimate is None
    assert (found.over, found.always_top, found.not_given) == (0, 1.0, 1.0)
    assert found.cost_ratio == pytest.approx(1.0)


def test_draws_depend_on_the_seed_alone() -> None:
    assert np.array_equal(drawn(50, n=10, draws=3, seed=7), drawn(50, n=10, draws=3, seed=7))


def test_another_domain_s_intent_is_right_only_where_it_means_the_same() -> None:
    examples = [
        Example(Query("1", "cs_intent_oos", "pin?", {}), "pin_change", "1"),
        Example(Query("2", "cs_intent_oos", "tell me a joke", {}), "tell_joke", "2"),
    ]
    first, second = other_domain(examples)
    assert first.query.task == "cs_intent"
    assert first.reference == MEANS_THE_SAME["pin_change"]
    assert second.reference not in MEANS_THE_SAME.values()
