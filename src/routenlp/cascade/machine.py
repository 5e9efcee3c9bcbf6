"""The machine that runs one query. It does no I/O: the caller asks the tier and hands the answer back.

    ask = start(policy, query)
    while isinstance(ask, Ask):
        ask = advance(policy, ask, backend_of(ask.tier).answer(ask.query))
    trace = ask.trace

    start ─Call──▶ Ask(tier) ◀───────────┐
                     │ answer            │ Call(a dearer tier)
                     ▼                   │
                   score ─▶ policy.next ─┤
                                         └─ Stop(an answer of these steps) ─▶ Done(trace)

An answer that comes as a stream may be judged before it ends, where the policy has a commit rule (`cascade.commit`):

    Ask(tier) ─ prefix ─▶ Hold, Release or Escalate
                            │       │         └─ cancelled(what came) ─▶ Ask(a dearer tier)
                            │       └─ released(the answer, once it ends) ─▶ Done(trace)
                            └─ the next token; at the end: advance

Every Call must name a tier dearer than all that answered before, so a query takes at most as many steps as there
are tiers. A stop rule that breaks this, or an answer from another tier than the one asked, is an `IllegalMove`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from routenlp.cascade.commit import HOLD, Escalate, Judged, Prefix, Release
from routenlp.cascade.committing import commit_rule
from routenlp.cascade.policy import Policy
from routenlp.cascade.readable import Beyond, heed, next_readable
from routenlp.errors import IllegalMove
from routenlp.types import Answer, Call, Commit, Estimate, Query, Route, Step, Stop, Trace


@dataclass(frozen=True, slots=True)
class Ask:
    """The query waits for an answer of `tier`."""

    query: Query
    route: Route
    tier: str
    steps: tuple[Step, ...]
    reason: str
    """Why this tier, in words."""


@dataclass(frozen=True, slots=True)
class Done:
    """The query is answered."""

    trace: Trace


def start(
    policy: Policy,
    query: Query,
    cached_usd: Mapping[str, float] | None = None,
    beyond: Mapping[str, Beyond] | None = None,
) -> Ask:
    """The first tier to ask. Raises `UnknownTask`; never raises on text.

    `cached_usd`: by tier, what its prompt cache takes off the query's cost. It can make a dearer tier be called than
    the policy would call by itself, never a cheaper one: a certificate speaks of the policy by itself. `beyond`: of the
    tiers that the query does not fit (`cascade.readable`), with the same rule.
    """
    route = policy.route(query)
    if cached_usd:
        route = replace(route, estimates=tuple(_cheaper(e, cached_usd.get(e.tier, 0.0)) for e in route.estimates))
    if beyond:
        route = heed(route, beyond)
    verdict = _verdict(policy, route, ())
    if isinstance(verdict, Stop):
        raise IllegalMove("stop rule", "stopped before any tier had answered", "A rule must begin with a Call.")
    policy.portfolio.position(verdict.tier)
    return Ask(query, route, verdict.tier, (), verdict.reason)


def advance(policy: Policy, ask: Ask, answer: Answer) -> Ask | Done:
    """What follows from `answer`, which must come from the tier asked."""
    _check_asked(ask, answer)
    limit = policy.stop_rule.threshold(ask.route.task, answer.tier)
    steps = (*ask.steps, Step(answer, policy.scorer.score(answer, ask.route), limit))
    return _onward(policy, ask, steps)


def prefix(policy: Policy, ask: Ask, said: Prefix) -> Judged:
    """The verdict on exactly this prefix of the answer of the tier asked; to be asked for after every token.

    Hold where the policy has no commit rule for the task at this tier, and for a prefix without a score.
    """
    rule = commit_rule(policy.stop_rule, ask.route.task, ask.tier)
    if rule is None or not said.token_probs or not rule.looks(said):
        return HOLD
    so_far = Answer(ask.tier, said.text, said.token_probs, 0, len(said.token_probs), 0.0, 0.0)
    return rule.judge(said, policy.scorer.score(so_far, ask.route))


def cancelled(policy: Policy, ask: Ask, answer: Answer, why: Escalate) -> Ask | Done:
    """What follows once the call was broken off. `answer`: what had come, and what that cost; it is never returned."""
    _check_asked(ask, answer)
    limit = policy.stop_rule.threshold(ask.route.task, answer.tier)
    commit = Commit(why.score, why.threshold, why.tokens, released=False)
    return _onward(policy, ask, (*ask.steps, Step(answer, None, limit, commit=commit)))


def released(policy: Policy, ask: Ask, answer: Answer, why: Release) -> Done:
    """The end of a stream that was given out at its commit point: `answer` stands, whatever its score."""
    _check_asked(ask, answer)
    limit = policy.stop_rule.threshold(ask.route.task, answer.tier)
    commit = Commit(why.score, why.threshold, why.tokens, released=True)
    step = Step(answer, policy.scorer.score(answer, ask.route), limit, commit=commit)
    return Done(_trace(policy, ask, (*ask.steps, step), Stop(answer, why_released(why))))


def why_released(why: Release) -> str:
    """In words."""
    return f"after {why.tokens} tokens the uncertainty {why.score:.3f} was within the threshold {why.threshold:.3f}"


def _check_asked(ask: Ask, answer: Answer) -> None:
    if answer.tier != ask.tier:
        raise IllegalMove(
            f"query {ask.query.id!r}", f"{answer.tier!r} answered", f"Hand over the answer of {ask.tier!r}."
        )


def _onward(policy: Policy, ask: Ask, steps: tuple[Step, ...]) -> Ask | Done:
    verdict = _verdict(policy, ask.route, steps)
    if isinstance(verdict, Call):
        _check_climbs(policy, steps, verdict)
        return Ask(ask.query, ask.route, verdict.tier, steps, verdict.reason)
    return Done(_trace(policy, ask, steps, verdict))


def _verdict(policy: Policy, route: Route, steps: tuple[Step, ...]) -> Stop | Call:
    """The policy's own verdict, or a call of a dearer tier that holds a cache, where the rule then prefers that."""
    saved_usd = {estimate.tier: estimate.cached_usd for estimate in route.estimates if estimate.cached_usd}
    if not saved_usd:
        return next_readable(policy, route, steps)
    itself = next_readable(policy, replace(route, estimates=tuple(_cheaper(e, 0.0) for e in route.estimates)), steps)
    shifted = next_readable(policy, route, steps)
    if isinstance(shifted, Stop) or shifted.tier not in saved_usd:
        return itself
    position = policy.portfolio.position
    if isinstance(itself, Call) and position(shifted.tier) <= position(itself.tier):
        return itself
    worth = f"{shifted.tier} has the conversation in its prompt cache, worth ${saved_usd[shifted.tier]:.6f}"
    return Call(shifted.tier, f"{worth}: {shifted.reason}")


def _cheaper(estimate: Estimate, cached_usd: float) -> Estimate:
    return replace(estimate, cached_usd=cached_usd)


def _check_climbs(policy: Policy, steps: tuple[Step, ...], call: Call) -> None:
    dearest = max(policy.portfolio.position(step.answer.tier) for step in steps)
    if policy.portfolio.position(call.tier) <= dearest:
        raise IllegalMove(
            "stop rule",
            f"called {call.tier!r} after {policy.portfolio.names[dearest]!r}",
            "Only a dearer tier may follow.",
        )


def _trace(policy: Policy, ask: Ask, steps: tuple[Step, ...], stop: Stop) -> Trace:
    if not any(step.answer is stop.answer and not step.cancelled for step in steps):
        raise IllegalMove("stop rule", "returned an answer that no tier gave", "Stop with one of the steps' answers.")
    verdicts = tuple([Step(s.answer, s.score, s.threshold, s.answer is stop.answer, s.commit) for s in steps])
    return Trace(ask.query, ask.route, verdicts, stop.answer, stop.reason, policy.version)
