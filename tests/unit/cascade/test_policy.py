"""A certificate counts for the very policy that it was proved for, and for no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.unit.worlds import PORTFOLIO, TASK, FixedRouter, policy, thresholds

from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.conformal.certificate import Certificate
from routenlp.conformal.verdict import Method, Status
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio
from routenlp.types import Parts


def certified(of: Policy) -> Policy:
    certificate = Certificate(
        task="intent",
        rule="quality_ratio",
        target=0.03,
        delta=0.1,
        n=500,
        groups=500,
        method=Method.BETTING,
        status=Status.CERTIFIED,
        bound=0.975,
        estimate=0.985,
        proved_for=of.proved_for(),
        issued_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(of, certificates={"intent": certificate})


BASE = policy(thresholds({"small": 0.2}))


class OtherScorer:
    def score(self, answer):
        return None

    def parts(self):
        return Parts("scorer/other", {}, {})


def dearer():
    first, *rest = PORTFOLIO.tiers
    return Portfolio((replace(first, price=Price(11.0, 11.0)), *rest))


CHANGES = {
    "models": {"models": {"small": {"intent": "ff" * 32}}},
    "prompts": {"portfolio": Portfolio((replace(PORTFOLIO.tiers[0], model="v2"), *PORTFOLIO.tiers[1:]))},
    "router": {"router": FixedRouter("mid")},
    "thresholds": {"stop_rule": thresholds({"small": 0.21})},
    "scorer": {"scorer": OtherScorer()},
    "judge": {"tasks": {"intent": replace(TASK, handled_at=0.9)}},
    "prices": {"portfolio": dearer()},
}


def test_a_price_of_cached_tokens_voids_nothing():
    first, *rest = PORTFOLIO.tiers
    cached = replace(first, price=replace(first.price, cache_read_usd_per_mtok=0.1))
    changed = replace(certified(BASE), portfolio=Portfolio((cached, *rest)))
    assert changed.status("intent") is Status.CERTIFIED


def test_a_policy_without_a_certificate_is_uncertified():
    assert BASE.status("intent") is Status.UNCERTIFIED


def test_its_own_certificate_counts():
    assert certified(BASE).status("intent") is Status.CERTIFIED
    assert certified(BASE).status("another task") is Status.UNCERTIFIED


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_of_what_it_was_proved_for_voids_it(change):
    assert replace(certified(BASE), **CHANGES[change]).status("intent") is Status.UNCERTIFIED


def test_a_certificate_is_part_of_the_version():
    assert certified(BASE).version != BASE.version


def test_a_task_may_have_fewer_tiers_than_the_policy():
    own = {"intent": ThresholdCascade(("small", "top"), {"intent": {"small": 0.2}})}
    of_tasks = replace(BASE, stop_rule=RulePerTask(own, "top"))
    assert BASE.tiers_of("intent") == ("small", "mid", "top")
    assert of_tasks.tiers_of("intent") == ("small", "top")
    exploring = replace(BASE, stop_rule=FirstByRouter(of_tasks.stop_rule))
    assert exploring.tiers_of("intent") == ("small", "top")
    assert of_tasks.tiers_of("another") == ("top",), "a task without a rule is the top tier's"
