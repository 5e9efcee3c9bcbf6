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

Every Call must name a tier dearer than all that answered before, so a query takes at most as many steps as there
are tiers. A stop rule that breaks this, or an answer from another tier than the one asked, is an `IllegalMove`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from routenlp.cascade.policy import Policy
from routenlp.errors import IllegalMove
from routenlp.types import Answer, Call, Query, Route, Step, Stop, Trace


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


def start(policy: Policy, query: Query) -> Ask:
    """The first tier to ask. Raises `UnknownTask`; never raises on text."""
    route = policy.route(query)
    verdict = policy.next(route, ())
    if isinstance(verdict, Stop):
        raise IllegalMove("stop rule", "stopped before any tier had answered", "A rule must begin with a Call.")
    policy.portfolio.position(verdict.tier)
    return Ask(query, route, verdict.tier, (), verdict.reason)


def advance(policy: Policy, ask: Ask, answer: Answer) -> Ask | Done:
    """What follows from `answer`, which must come from the tier asked."""
    if answer.tier != ask.tier:
        raise IllegalMove(
            f"query {ask.query.id!r}", f"{answer.tier!r} answered", f"Hand over the answer of {ask.tier!r}."
        )
    limit = policy.stop_rule.threshold(ask.route.task, answer.tier)
    steps = (*ask.steps, Step(answer, policy.scorer.score(answer, ask.route), limit))
    verdict = policy.next(ask.route, steps)
    if isinstance(verdict, Call):
        _check_climbs(policy, steps, verdict)
        return Ask(ask.query, ask.route, verdict.tier, steps, verdict.reason)
    return Done(_trace(policy, ask, steps, verdict))


def _check_climbs(policy: Policy, steps: tuple[Step, ...], call: Call) -> None:
    dearest = max(policy.portfolio.position(step.answer.tier) for step in steps)
    if policy.portfolio.position(call.tier) <= dearest:
        raise IllegalMove(
            "stop rule",
            f"called {call.tier!r} after {policy.portfolio.names[dearest]!r}",
            "Only a dearer tier may follow.",
        )


def _trace(policy: Policy, ask: Ask, steps: tuple[Step, ...], stop: Stop) -> Trace:
    if not any(step.answer is stop.answer for step in steps):
        raise IllegalMove("stop rule", "returned an answer that no tier gave", "Stop with one of the steps' answers.")
    verdicts = tuple(replace(step, accepted=step.answer is stop.answer) for step in steps)
    return Trace(ask.query, ask.route, verdicts, stop.answer, stop.reason, policy.version)
