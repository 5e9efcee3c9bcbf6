"""Gives a policy a commit rule for one task at one tier, proved on recorded streams: for any router and stop rule.

The policy stays as it is but for the rule. Thresholds of rising boldness come from prefixes of training rows; on
calibration rows every one of them is replayed through the machine, as a stream and whole, and walked along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing, committed
from routenlp.cascade.policy import Policy
from routenlp.conformal.certificate import UNBOUND, Certificate, ProvedFor, issue, voided_by
from routenlp.conformal.verdict import Status, Verdict
from routenlp.contracts import Router
from routenlp.errors import DataError
from routenlp.replay.backtest.certify import Replays, Target
from routenlp.replay.streaming.certify import first_step, in_all, numbered, units_of
from routenlp.replay.streaming.through_machine import RecordedStream, StreamedQuery, stream_query
from routenlp.types import Parts, Query, Route

SHARES = np.linspace(0.04, 1.0, 25)
"""Of the training prefixes, those that each policy releases."""


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One query with what every tier of the policy answered, token by token, and how good that was."""

    query: Query
    group: str
    recorded: Mapping[str, RecordedStream]
    quality: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Committed:
    """What came of it."""

    policy: Policy
    """With the rule, its certificate, and those of other tasks; as it was, where nothing was proved."""
    rule: CommitRule | None
    verdict: Verdict


def commit_policy(
    policy: Policy,
    place: tuple[str, str],
    point: CommitPoint,
    train: Sequence[StreamRow],
    calibrate: Sequence[StreamRow],
    target: Target,
    *,
    issued_at: datetime,
    seed: int,
    abort: float | None = None,
) -> Committed:
    """`place`: task and tier. `abort`: of the rule; chosen without a look at `calibrate`, whose rows no fit has seen.

    Raises `DataError` without training rows whose stream comes to the commit point at that tier.
    """
    given, policy = policy, replace(policy, router=_KnownRoutes(policy.router, {}))
    thresholds = _thresholds(policy, place, CommitRule(point, 1.0), train)
    policies = [_with(policy, place, CommitRule(point, limit, abort)) for limit in thresholds]
    groups = numbered([row.group for row in (*train, *calibrate)])
    trained, tested = groups[: len(train)], groups[len(train) :]
    units = units_of(trained, tested, seed)
    seen, rehearsed = (_both(policy, policies, rows) for rows in (calibrate, train))
    start = first_step(rehearsed, target, units_of(trained, trained, seed), units)
    verdict = in_all(seen, target, units, start)
    if verdict.status is Status.UNCERTIFIED:
        return Committed(given, None, verdict)
    rule = CommitRule(point, thresholds[verdict.selected - 1], abort)
    chosen = _with(given, place, rule)
    bound = chosen.proved_for() if given.models else replace(chosen.proved_for(), models=UNBOUND)
    certificates = {**_carried(given, bound, place[0]), place[0]: issue(place[0], verdict, bound, issued_at)}
    return Committed(replace(chosen, certificates=certificates), rule, verdict)


def _with(policy: Policy, place: tuple[str, str], rule: CommitRule) -> Policy:
    task, tier = place
    before = policy.stop_rule
    mine = before.commits.get(task, {}) if isinstance(before, Committing) else {}
    committing = committed(before, policy.portfolio.names, task, {**mine, tier: rule})
    return replace(policy, stop_rule=committing, certificates={})


def _carried(before: Policy, proved: ProvedFor, task: str) -> dict[str, Certificate]:
    """Of the other tasks, which do as they did; none that was void, or that was proved together with this one."""
    now = before.proved_for()
    return {
        name: replace(certificate, proved_for=proved)
        for name, certificate in before.certificates.items()
        if name != task and not voided_by(certificate, now) and not _leans_on(certificate, task)
    }


def _leans_on(certificate: Certificate, task: str) -> bool:
    """Whether a pool's certificate would no longer be true of the task's streams; an EMPIRICAL one proves nothing."""
    return task in certificate.over and certificate.status is not Status.EMPIRICAL


def _thresholds(policy: Policy, place: tuple[str, str], probe: CommitRule, train: Sequence[StreamRow]) -> list[float]:
    through = _through(_with(policy, place, probe), train)
    steps = [step for one in through for step in one.trace.steps]
    scores = [step.commit.score for step in steps if step.commit is not None and step.answer.tier == place[1]]
    if not scores:
        raise DataError(
            f"task {place[0]!r}",
            f"has no training row whose stream comes to {probe.point} at {place[1]!r}",
            "Record more rows, or choose an earlier commit point.",
        )
    return sorted({float(x) for x in np.quantile(scores, SHARES, method="inverted_cdf")})


def _both(policy: Policy, policies: Sequence[Policy], rows: Sequence[StreamRow]) -> list[Replays]:
    """The policies as streams; and the one that they all are for whole answers, as often."""
    whole = policy.stop_rule.rule if isinstance(policy.stop_rule, Committing) else policy.stop_rule
    buffered = _through(replace(policy, stop_rule=whole, certificates={}), rows)
    streams = [_through(one, rows) for one in policies]
    return [_replays(streams, rows, policy), _replays([buffered] * len(policies), rows, policy)]


def _through(policy: Policy, rows: Sequence[StreamRow]) -> list[StreamedQuery]:
    return [stream_query(policy, row.query, row.recorded) for row in rows]


def _replays(every: Sequence[Sequence[StreamedQuery]], rows: Sequence[StreamRow], policy: Policy) -> Replays:
    """Row 0 is always-top."""
    top = policy.portfolio.top
    price = policy.portfolio.tiers[-1].price
    top_quality = np.array([row.quality[top] for row in rows], dtype=np.float64)
    top_usd = np.array(
        [price.cost_usd(row.recorded[top].said.input_tokens, row.recorded[top].said.output_tokens) for row in rows]
    )
    final = [[one.trace.answer.tier for one in through] for through in every]
    quality = [[row.quality[tier] for row, tier in zip(rows, tiers, strict=True)] for tiers in final]
    cost = [[one.trace.cost_usd for one in through] for through in every]
    shape = (len(every), len(rows))
    return Replays(
        np.concatenate([top_quality[None], np.array(quality, dtype=np.float64).reshape(shape)]),
        np.concatenate([top_usd[None], np.array(cost, dtype=np.float64).reshape(shape)]),
        np.concatenate([np.zeros((1, len(rows)), bool), np.array(final).reshape(shape) != top]),
        top_quality,
        top_usd,
    )


@dataclass(frozen=True, slots=True)
class _KnownRoutes:
    """A `Router` that remembers: many policies with one router are replayed on the same queries."""

    router: Router
    seen: dict[str, Route]

    def route(self, query: Query) -> Route:
        """The router's; asked once for each query id."""
        if query.id not in self.seen:
            self.seen[query.id] = self.router.route(query)
        return self.seen[query.id]

    def parts(self) -> Parts:
        """The router's: the policy is the same."""
        return self.router.parts()
