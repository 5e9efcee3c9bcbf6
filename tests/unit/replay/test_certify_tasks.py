"""Each task is certified on its own rows where it has enough, else with others that are asked the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import MODELS, Columns, recording

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.ladder import ContinuationLadder, fit_continuation
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.certify_tasks import ENOUGH, Walk, certify_tasks
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.wanted import Wanted, WantedOfTasks

pytestmark = pytest.mark.slow
EMPIRICAL = Wanted(serve_when=Status.EMPIRICAL)


def with_tasks(columns: Columns, share: dict[str, float]) -> Columns:
    """Queries dealt out to tasks by these shares."""
    names, cut = list(share), np.cumsum(list(share.values()))
    which = [min(int(np.searchsorted(cut, (int(q[1:]) * 0.61803) % 1.0)), len(names) - 1) for q in columns["query_id"]]
    return {**columns, "task": [names[w] for w in which]}


@pytest.fixture(scope="module")
def fitted() -> tuple[ContinuationLadder, Rows, Rows]:
    """Of a large task and two small ones."""
    table = read_outcomes(with_tasks(recording(4_000), {"large": 0.9, "few": 0.05, "little": 0.05}))
    at = fold_outcomes(table, seed=0)
    rows = make_rows(table, MODELS, fit_features(table, at.train, count_table(table), seed=0))
    train = take(rows, at.train)
    return fit_continuation(train, 0), train, take(rows, at.calibrate)


def walked(fitted: tuple[ContinuationLadder, Rows, Rows], wanted: WantedOfTasks) -> dict[tuple[str, ...], Walk]:
    return {walk.tasks: walk for walk in certify_tasks(*fitted, wanted, seed=0)}


def test_a_large_task_stands_for_itself_and_small_ones_stand_together(
    fitted: tuple[ContinuationLadder, Rows, Rows],
) -> None:
    found = walked(fitted, WantedOfTasks())
    assert set(found) == {("large",), ("few", "little")}
    calibrate = fitted[2]
    large = calibrate.task_names.index("large")
    assert found["large",].verdict.n == int((calibrate.task == large).sum())
    assert found["few", "little"].verdict.n == int((calibrate.task != large).sum())


def test_a_task_that_is_asked_something_else_is_not_pooled(fitted: tuple[ContinuationLadder, Rows, Rows]) -> None:
    wanted = WantedOfTasks(of_task={"few": Wanted(Target(eps=0.10))})
    assert set(walked(fitted, wanted)) == {("large",), ("few",), ("little",)}


def test_what_is_enough_depends_on_the_target(fitted: tuple[ContinuationLadder, Rows, Rows]) -> None:
    lax = WantedOfTasks(Wanted(Target(eps=0.45)))
    assert set(walked(fitted, lax)) == {("few",), ("large",), ("little",)}
    assert ENOUGH == 4.0


def test_each_task_has_its_own_rule_target_and_delta(fitted: tuple[ContinuationLadder, Rows, Rows]) -> None:
    wanted = WantedOfTasks(EMPIRICAL, {"large": Wanted(Target("joint", alpha=0.2, delta=0.02))})
    found = walked(fitted, wanted)
    large, small = found["large",].verdict, found["few", "little"].verdict
    assert (large.rule, large.target, large.delta) == ("joint", 0.2, 0.02)
    assert (small.rule, small.target, small.delta) == ("quality_ratio", 0.03, 0.1)


def test_one_delta_is_split_over_tasks_and_adds_up_where_they_stand_together(
    fitted: tuple[ContinuationLadder, Rows, Rows],
) -> None:
    found = walked(fitted, WantedOfTasks(family_delta=0.09))
    assert found["large",].verdict.delta == pytest.approx(0.03)
    assert found["few", "little"].verdict.delta == pytest.approx(0.06)


def test_less_proof_than_is_asked_for_sends_everything_to_the_top(
    fitted: tuple[ContinuationLadder, Rows, Rows],
) -> None:
    strict = Target(eps=1e-4)
    asked = walked(fitted, WantedOfTasks(Wanted(strict, Status.CERTIFIED)))
    assert all(walk.step == 0 and walk.status is Status.UNCERTIFIED for walk in asked.values())
    seen = walked(fitted, WantedOfTasks(Wanted(strict, Status.EMPIRICAL)))
    assert {walk.status for walk in seen.values()} <= {Status.EMPIRICAL, Status.UNCERTIFIED}


def test_what_was_only_seen_has_an_estimate_and_no_bound(fitted: tuple[ContinuationLadder, Rows, Rows]) -> None:
    target = Target(eps=0.005, delta=1e-12)
    (walk,) = walked(fitted, WantedOfTasks(Wanted(target, Status.EMPIRICAL))).values()
    assert walk.status is Status.EMPIRICAL
    assert walk.step > 0
    assert walk.verdict.bound is None
    assert walk.verdict.estimate is not None
    assert walk.verdict.estimate >= 0.995


def test_a_task_without_calibration_queries_has_no_certificate(
    fitted: tuple[ContinuationLadder, Rows, Rows],
) -> None:
    ladder, train, calibrate = fitted
    without = take(calibrate, np.flatnonzero(calibrate.task != calibrate.task_names.index("few")))
    found = {walk.tasks: walk for walk in certify_tasks(ladder, train, without, WantedOfTasks(EMPIRICAL), seed=0)}
    assert found["few",].status is Status.UNCERTIFIED
    assert found["few",].labels_still_needed is None


def test_which_tasks_stand_together_does_not_look_at_calibration_qualities(
    fitted: tuple[ContinuationLadder, Rows, Rows],
) -> None:
    ladder, train, calibrate = fitted
    other = replace(calibrate, quality=np.zeros_like(calibrate.quality))
    parties = [
        {walk.tasks for walk in certify_tasks(ladder, train, rows, WantedOfTasks(), seed=0)}
        for rows in (calibrate, other)
    ]
    assert parties[0] == parties[1]
