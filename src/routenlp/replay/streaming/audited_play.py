"""A task's ladder on audits with commit rules beside its rungs: what streams would have come to, answer by answer.

What a tier said is in the audit, with the probabilities of its tokens: every prefix that a commit rule may decide on is
scored once, and each policy judges it by a threshold of its own. Whole answers have the score that they had then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.kept_tokens import Tokens
from routenlp.cascade.commit import HOLD, CommitRule, Escalate, Judged, Prefix, Release, reached
from routenlp.cascade.committing import committed
from routenlp.cascade.policy import Policy
from routenlp.contracts import Scorer, StopRule
from routenlp.replay.audited import AuditRow, Played
from routenlp.replay.rungs import Rung, at_rung
from routenlp.types import Answer, Commit, Route, Step, Stop

Commits = Mapping[str, CommitRule]
"""By tier, cheap ones alone."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One policy of the ladder: for whole answers, and for prefixes."""

    rung: Rung
    commits: Commits


@dataclass(frozen=True, slots=True)
class Look:
    """A prefix that there is something to decide on."""

    said: Prefix
    score: float
    at_point: bool


@dataclass(frozen=True, slots=True, eq=False)
class StreamsPlayed:
    """Every policy of a ladder on the same audits, streamed; row 0 is always-top."""

    played: Played
    asked: NDArray[np.bool_]
    """Whether a tier was asked, shape (policies, n, tiers)."""
    released: NDArray[np.bool_]
    """Whether an answer was given out at its commit point, shape (policies, n)."""


def known(row: AuditRow, commits: Commits) -> bool:
    """Whether every prefix of the row's answers is known that `commits` may decide on."""
    return all(tier in row.tokens and _enough(row.tokens[tier], rule) for tier, rule in commits.items())


def looks(scorer: Scorer, row: AuditRow, tier: str, rule: CommitRule, route: Route) -> tuple[Look, ...]:
    """In order, the prefixes of the tier's answer that `rule` may decide on, whatever its threshold; none of an answer
    whose tokens are not known."""
    tokens, text = row.tokens.get(tier), row.answers[tier].text
    if tokens is None:
        return ()
    probe, probs, found = replace(rule, threshold=1.0), tokens.probs, list[Look]()
    for n in range(1, len(probs) + 1):
        said = Prefix(tokens.text_after(text, n), probs[:n])
        if not probe.looks(said):
            continue
        score = scorer.score(Answer(tier, said.text, said.token_probs, 0, n, 0.0, 0.0), route)
        if score is not None:
            found.append(Look(said, score, reached(rule.point, said)))
            if found[-1].at_point:
                break
    return tuple(found)


def judged(rule: CommitRule, seen: Sequence[Look]) -> Judged:
    """The first verdict on any of them; Hold where there is none: the answer is judged whole."""
    verdicts = (rule.judge(look.said, look.score) for look in seen)
    return next((verdict for verdict in verdicts if verdict != HOLD), HOLD)


def play_streams(policy: Policy, task: str, ladder: Sequence[Pair], rows: Sequence[AuditRow]) -> StreamsPlayed:
    """Runs every policy on every row as a stream. `ladder`: from always-top on. Each tier must have answered each row;
    an answer whose tokens are not known is judged whole."""
    tiers, names = policy.tiers_of(task), policy.portfolio.names
    rules = [committed(at_rung(policy.stop_rule, task, pair.rung), names, task, pair.commits) for pair in ladder]
    shape = (len(ladder), len(rows))
    final, cost = np.full(shape, len(tiers) - 1, dtype=np.int64), np.zeros(shape)
    asked, released = np.zeros((*shape, len(tiers)), dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    asked[0, :, -1] = True
    at = {tier: rule for pair in ladder for tier, rule in pair.commits.items()}
    for i, row in enumerate(rows):
        route = policy.router.route(row.query)
        seen = {tier: looks(policy.scorer, row, tier, rule, route) for tier, rule in at.items()}
        cost[0, i] = row.answers[tiers[-1]].cost_usd
        for g in range(1, len(ladder)):
            ran = _run(policy, rules[g], ladder[g].commits, row, route, seen)
            final[g, i], cost[g, i], released[g, i] = tiers.index(ran.tier), ran.cost_usd, ran.released
            asked[g, i, [tiers.index(tier) for tier in ran.asked]] = True
    return StreamsPlayed(Played(final, cost), asked, released)


@dataclass(frozen=True, slots=True)
class _Ran:
    """One query under one policy."""

    tier: str
    cost_usd: float
    asked: tuple[str, ...]
    released: bool = False


def _run(
    policy: Policy, rule: StopRule, commits: Commits, row: AuditRow, route: Route, seen: Mapping[str, Sequence[Look]]
) -> _Ran:
    steps: tuple[Step, ...] = ()
    cost = 0.0
    verdict = rule.next(route, steps)
    while not isinstance(verdict, Stop):
        answer = row.answers[verdict.tier]
        asked = (*(step.answer.tier for step in steps), answer.tier)
        early = judged(commits[answer.tier], seen[answer.tier]) if answer.tier in commits else HOLD
        if isinstance(early, Release):
            return _Ran(answer.tier, cost + answer.cost_usd, asked, released=True)
        limit = rule.threshold(route.task, answer.tier)
        if isinstance(early, Escalate):
            answer = _cut(policy, answer, early.tokens)
            commit = Commit(early.score, early.threshold, early.tokens, released=False)
            step = Step(answer, None, limit, commit=commit)
        else:
            step = Step(answer, row.scores.get(answer.tier), limit)
        cost, steps = cost + answer.cost_usd, (*steps, step)
        verdict = rule.next(route, steps)
    return _Ran(verdict.answer.tier, cost, tuple(step.answer.tier for step in steps))


def _cut(policy: Policy, answer: Answer, tokens: int) -> Answer:
    """What came of it until it was broken off, and what that costs."""
    price = policy.portfolio.tiers[policy.portfolio.position(answer.tier)].price
    return replace(answer, output_tokens=tokens, cost_usd=price.cost_usd(answer.input_tokens, tokens))


def _enough(tokens: Tokens, rule: CommitRule) -> bool:
    return tokens.count == len(tokens.sizes) or len(tokens.sizes) >= rule.point.tokens
