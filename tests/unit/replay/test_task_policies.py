"""One task's policies: what is tuned, what is proved, and that what is served keeps it on new rows."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.worlds import answer

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import Reach
from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target, replay_all
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.backtest.sla import Sla
from routenlp.replay.task_policies import TaskPolicies, fit_policies, prove
from routenlp.types import Call, Estimate, Route, Step

TARGET = Target(eps=0.05)
LATENCY_S = (0.01, 0.02, 0.9)


def world(n: int, seed: int, *, groups: int | None = None) -> Rows:
    """Easy queries (first feature high) are answered rightly by cheap tiers, whose confidence says so."""
    rng = np.random.default_rng(seed)
    easy = rng.uniform(size=n)
    right = np.stack([rng.uniform(size=n) < easy, rng.uniform(size=n) < 0.4 + 0.6 * easy, np.ones(n, bool)], axis=1)
    confidence = np.clip(np.where(right, 0.85, 0.25) + rng.normal(scale=0.15, size=right.shape), 0.0, 1.0)
    confidence[:, -1] = np.nan
    return Rows(
        tiers=("small", "mid", "top"),
        task_names=("t",),
        task=np.zeros(n, dtype=np.int64),
        features=np.stack([easy, rng.normal(size=n)], axis=1).astype(np.float32),
        quality=right.astype(np.float64),
        cost_usd=np.tile([0.01, 0.1, 8.0], (n, 1)),
        confidence=confidence,
        answer_length=np.full((n, 3), 5.0),
        groups=np.arange(n) if groups is None else np.arange(n) % groups,
        latency_s=np.tile(LATENCY_S, (n, 1)) * np.exp(rng.normal(scale=0.1, size=(n, 3))),
    )


def proved_again(fitted: TaskPolicies, calibrate: Rows) -> TaskPolicies:
    return prove(fitted.ladder, fitted.train, calibrate, TARGET, seed=0)


def called(rule: ContinuationRule) -> list[str]:
    """The tiers that a rule calls on a query that only the top tier is expected to answer well."""
    route = Route("t", "small", tuple(map(Estimate, rule.tiers, (0.05, 0.1, 1.0))), "")
    steps: tuple[Step, ...] = ()
    while isinstance(verdict := rule.next(route, steps), Call):
        steps = (*steps, Step(answer(verdict.tier, 0.95), 0.95, None))
    return [step.answer.tier for step in steps]


@pytest.fixture(scope="module")
def fitted() -> TaskPolicies:
    return fit_policies(world(1_500, 0), world(800, 1), TARGET, seed=0)


def test_the_certified_policy_keeps_the_target_on_fresh_rows_and_saves(fitted: TaskPolicies) -> None:
    """At most delta of the draws may miss; of 15, more than 5 would be two in a thousand."""
    fresh = replay_all(fitted.ladder, world(8_000, 2))
    missed = 0
    for seed in range(15):
        again = proved_again(fitted, world(800, 100 + seed))
        assert again.certified.status is Status.CERTIFIED
        step = again.proved(Status.CERTIFIED)
        missed += fresh.quality_ratio[step] < 0.95
        assert fresh.cost_ratio[step] < 0.6
    assert missed <= 5


def test_the_weaker_proof_is_never_more_cautious(fitted: TaskPolicies) -> None:
    assert fitted.proved(Status.ASYMPTOTIC) >= fitted.proved(Status.CERTIFIED) > 0


def harder(n: int, seed: int) -> Rows:
    """Rows whose confidence says nothing."""
    rows = world(n, seed)
    rows.confidence[:] = np.random.default_rng(0).permutation(rows.confidence)
    return rows


def test_the_tuned_policy_keeps_the_target_on_training_and_calibration_rows_together(fitted: TaskPolicies) -> None:
    assert 0.95 <= fitted.tuned().quality_ratio < 0.955


def test_the_tuned_policy_minds_calibration_rows_as_far_as_there_are_many(fitted: TaskPolicies) -> None:
    """A lower price of cost is more cautious."""
    few, many = (proved_again(fitted, harder(n, 11)).tuned().rule.utility.price for n in (20, 800))
    assert many < few


def test_what_is_seen_twice_holds_on_calibration_rows_that_the_tuned_policy_loses(fitted: TaskPolicies) -> None:
    """A lower price of cost is more cautious."""
    again = proved_again(fitted, harder(400, 11))
    assert again.seen_twice().rule.utility.price < again.tuned().rule.utility.price


def test_fewer_calls_allowed_is_the_same_estimates_and_dearer(fitted: TaskPolicies) -> None:
    free, once = fitted.tuned(), fitted.tuned(Reach.ONCE)
    assert once.rule.reach is Reach.ONCE
    assert once.rule.quality is free.rule.quality
    assert once.cost_ratio > free.cost_ratio


def test_too_few_rows_prove_nothing(fitted: TaskPolicies) -> None:
    few = proved_again(fitted, world(20, 3))
    assert [few.proved(s) for s in (Status.CERTIFIED, Status.ASYMPTOTIC)] == [0, 0]


def test_few_groups_are_never_proved(fitted: TaskPolicies) -> None:
    grouped = fit_policies(world(1_500, 0, groups=50), world(800, 1, groups=10), TARGET, seed=0)
    assert grouped.proved(Status.ASYMPTOTIC) == 0


def test_limits_of_latency_go_before_quality(fitted: TaskPolicies) -> None:
    """The top tier is always late here, so a rule in time never asks it, whatever that costs in quality."""
    assert "top" in called(fitted.tuned().rule)
    assert "top" in called(fitted.in_time(Sla({"t": 60.0})).rule)
    assert "top" not in called(fitted.in_time(Sla({"t": 0.2})).rule)
