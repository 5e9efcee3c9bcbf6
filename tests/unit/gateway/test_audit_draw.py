"""The draw of audits: a share that is known, the same for one id, and nothing else."""

from __future__ import annotations

from math import sqrt

import pytest

from routenlp.conformal.verdict import Status
from routenlp.gateway.audit_draw import is_audited
from routenlp.gateway.live import served_tasks
from routenlp.settings import Settings, load
from routenlp.store.sql.records import new_trace_id

TREE = """
portfolio:
  - {name: a, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}
  - {name: b, backend: recorded, price: {input_usd_per_mtok: 2, output_usd_per_mtok: 2}}
  - {name: c, backend: recorded, price: {input_usd_per_mtok: 3, output_usd_per_mtok: 3}}
tasks: {one: {}, walled: {allowed_tiers: [a, b]}, alone: {allowed_tiers: [a]}}
store: {url: 'sqlite:///x.db'}
"""
IDS = [new_trace_id(1.0, i.to_bytes(10)) for i in range(20_000)]


def settings(more: str) -> Settings:
    return load(None, {}, default=TREE + more)


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.7])
def test_the_share_drawn_is_the_rate(rate: float) -> None:
    drawn = sum(is_audited(trace, rate) for trace in IDS)
    assert abs(drawn - rate * len(IDS)) < 4.0 * sqrt(len(IDS) * rate * (1.0 - rate))


def test_no_rate_draws_nothing_and_a_rate_of_one_everything() -> None:
    assert not any(is_audited(trace, 0.0) for trace in IDS)
    assert all(is_audited(trace, 1.0) for trace in IDS)


def test_a_larger_rate_draws_the_same_and_more() -> None:
    few = {trace for trace in IDS if is_audited(trace, 0.1)}
    assert few < {trace for trace in IDS if is_audited(trace, 0.2)}


@pytest.mark.parametrize(
    ("status", "rate"),
    [(Status.CERTIFIED, 0.02), (Status.ASYMPTOTIC, 0.02), (Status.EMPIRICAL, 0.2), (Status.UNCERTIFIED, 0.2)],
)
def test_until_there_is_a_certificate_more_is_audited(status: Status, rate: float) -> None:
    assert served_tasks(settings("content: {store: audits}"), {"one": status})["one"].audit_rate == rate


def test_nothing_is_drawn_where_nothing_may_be_kept() -> None:
    assert {served.audit_rate for served in served_tasks(settings(""), {}).values()} == {0.0}


def test_audits_keep_to_walls_and_to_the_tiers_asked_for() -> None:
    found = served_tasks(settings("content: {store: audits}\naudit: {tiers: [b, c]}"), {})
    assert (found["one"].audit_tiers, found["one"].audit_rate) == (("b", "c"), 0.2)
    assert (found["walled"].audit_tiers, found["walled"].audit_rate) == (("b",), 0.0)


def test_a_task_with_one_tier_is_not_audited() -> None:
    assert served_tasks(settings("content: {store: audits}"), {})["alone"].audit_rate == 0.0
