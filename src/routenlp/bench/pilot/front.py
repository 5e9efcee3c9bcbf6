"""The gateway's part without HTTP: the same machine, rules of who may serve, audit draw and records, on simulated time.

A decision is a function of policy, query and answers alone, so the machine runs once for each of them, and what it did
is looked up when the same query comes again. Records go through the store's own writer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from routenlp import wiring
from routenlp.bench.pilot.answers import AnswerBook, Moment
from routenlp.bench.pilot.log import ServedLog
from routenlp.bench.pilot.traffic import Arrivals
from routenlp.cascade.machine import Ask, advance, start
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import Policy, fingerprint
from routenlp.conformal.verdict import Status
from routenlp.draws import draw
from routenlp.errors import StoreError
from routenlp.gateway.audit_draw import is_audited
from routenlp.gateway.live import DEFAULT_TASK, Served, served_tasks
from routenlp.loop.canary import serves_candidate
from routenlp.loop.shadow import Shadowed
from routenlp.router.per_task import RouterPerTask
from routenlp.settings import Settings
from routenlp.store.in_force import NOTHING, InForce
from routenlp.store.sql.records import Content, ShadowRecord, StepRecord, TraceRecord, new_trace_id, steps_of
from routenlp.store.sql.writer import RecordWriter
from routenlp.types import Trace
from routenlp.wiring import Serving


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """What became of one item under one policy, whenever it comes."""

    steps: tuple[StepRecord, ...]
    answers: Mapping[str, str]
    tier: str
    cost_usd: float
    latency_s: float
    quality: float
    estimates: Mapping[str, float]
    reason: str
    route_reason: str
    first_quality: float
    """Of the first answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A policy as it serves."""

    version: str
    serving: Serving
    tasks: Mapping[str, Served]
    decides: Mapping[str, str]
    """By task, a fingerprint of all that decides it: two policies that agree in it go the same ways."""

    @property
    def policy(self) -> Policy:
        """At the prices of now."""
        return self.serving.policy

    def fingerprint(self, tier: str, task: str) -> str:
        """Of the tier's model; empty for one that has none."""
        return self.policy.models.get(tier, {}).get(task, "")


@dataclass(frozen=True, slots=True, eq=False)
class WayOfServing:
    """What served a task for a while."""

    task: str
    side: Side
    status: Status
    routed: bool


@dataclass(slots=True, eq=False)
class Front:
    """Serves one arrival after the other. `follow` as often as a gateway would notice."""

    settings: Settings
    book: AnswerBook
    writer: RecordWriter
    log: ServedLog
    rng: np.random.Generator
    moment: Moment = field(default_factory=Moment)
    side: Side | None = None
    trial: Side | None = None
    in_force: InForce | None = None
    machine_s: float = 0.0
    """That the machine took."""
    decisions: int = 0
    """That it made; the other queries came again."""
    ways_of_serving: list[WayOfServing] = field(default_factory=list)
    """In the order in which they first served; the log names them by position."""
    _known: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _servings: dict[str, Serving] = field(default_factory=dict)
    _ways: dict[tuple[str, int, Moment], Way] = field(default_factory=dict)

    def follow(self) -> bool:
        """Reads again what serves; whether that has changed. A store that cannot be read changes nothing."""
        try:
            now = wiring.policies_in_force(self.settings)
        except StoreError:
            return False
        if self.side is not None and self.in_force is not None and now.revision == self.in_force.revision:
            return False
        folder = now.active or Path(str(self.settings.policy.folder))
        self.side = self._side(folder, now)
        self.trial = self._side(now.candidate, replace(now, alarmed=frozenset())) if now.candidate is not None else None
        self.in_force = now
        return True

    @property
    def side_now(self) -> Side:
        """What serves; `follow` was called before."""
        assert self.side is not None, "followed before"
        return self.side

    def reload(self, settings: Settings) -> None:
        """With other settings, such as prices."""
        self.settings, self.in_force, self.side = settings, None, None
        self._servings.clear()
        self.follow()

    def side_of(self, folder: Path) -> Side:
        """Another version, as it would serve without an alarm."""
        return self._side(folder, NOTHING)

    def serve(self, arrivals: Arrivals) -> None:
        """All of them, in order, at the moment of now."""
        moment = self.moment
        for at_s, item in zip(arrivals.at_s.tolist(), arrivals.item.tolist(), strict=True):
            self._one(at_s, item, moment)

    def way(self, side: Side, item: int, moment: Moment) -> Way:
        """Through the machine, where the task may be routed; else to the top tier."""
        task = self.book.catalogue.items[item].task
        served = side.tasks.get(task)
        if served is None or not served.routed:
            return self._top(item, moment)
        key = (side.decides[task], item, moment)
        if key not in self._ways:
            begun_s = time.perf_counter()
            self._ways[key] = self._routed(side, item, moment)
            self.decisions += 1
            self.machine_s += time.perf_counter() - begun_s
        return self._ways[key]

    def _side(self, folder: Path, now: InForce) -> Side:
        if folder.name not in self._servings:
            found = wiring.serving_policy(self.settings, folder)
            assert found is not None, "the settings name a folder"
            self.book.learn(found.students, found.policy.models)
            self._servings[folder.name] = found
        serving = self._servings[folder.name]
        tasks = served_tasks(self.settings, serving.statuses, now.alarmed, now.audit_rates)
        return Side(
            folder.name, serving, tasks, {task: _decides(serving.policy, task) for task in serving.policy.tasks}
        )

    def _one(self, at_s: float, item: int, moment: Moment) -> None:
        known = self.book.catalogue.items[item]
        trace_id = new_trace_id(at_s, self.rng.bytes(10))
        side = self._arm(trace_id)
        served = side.tasks.get(known.task) or side.tasks[DEFAULT_TASK]
        way = self.way(side, item, moment)
        chance = served.audit_rate if known.counted else 0.0
        audited = is_audited(trace_id, chance)
        top = self._top(item, moment)
        record = TraceRecord(
            id=trace_id,
            at_s=at_s,
            task=served.task,
            policy_version=side.policy.version,
            status=str(served.status),
            outcome="ok",
            first_tier=way.steps[0].tier,
            tier=way.tier,
            steps=way.steps,
            cost_usd=way.cost_usd,
            latency_s=way.latency_s,
            reason=way.reason,
            route_reason=way.route_reason,
            estimates=way.estimates,
            top_cost_usd=top.cost_usd,
            audited=audited,
            audit_propensity=chance or None,
            audit_tiers=served.audit_tiers if audited else (),
            content=self._content(item, way) if audited or not known.counted else None,
            group=known.example.group,
            task_source="tagged",
        )
        self.writer.put(record)
        self._shadow(trace_id, at_s, served.task, item, moment, way)
        self._note(record, item, way, top, served, self._way_of_serving(side, known.task, served))

    def _arm(self, trace_id: str) -> Side:
        now = self.in_force
        if self.trial is None or now is None or now.share <= 0.0:
            return self.side_now
        return self.trial if serves_candidate(self.trial.version, trace_id, now.share) else self.side_now

    def _shadow(self, trace_id: str, at_s: float, task: str, item: int, moment: Moment, way: Way) -> None:
        now = self.in_force
        if self.trial is None or now is None or now.share > 0.0:
            return
        if draw("shadow", trace_id) >= self.settings.policy.shadow_rate:
            return
        other = self.way(self.trial, item, moment)
        same = other.answers[other.tier].strip() == way.answers[way.tier].strip()
        at_top = other.tier == self.book.portfolio.top
        seen = Shadowed(task, way.tier, way.cost_usd, other.tier, other.cost_usd, same, at_top)
        self.writer.put(ShadowRecord(trace_id, self.trial.version, at_s, seen))

    def _note(self, record: TraceRecord, item: int, way: Way, top: Way, served: Served, how: int) -> None:
        final = self.book.portfolio.position(way.tier)
        handled = self._handled_at(served.task)
        top_name = self.book.portfolio.top
        accepted = way.tier != top_name
        first_right = way.steps[0].tier != top_name and way.first_quality >= handled
        came = record.at_s, item
        both = way.quality, top.quality, way.cost_usd, top.cost_usd, way.latency_s, top.latency_s
        drawn = record.audited, served.audit_rate, not served.routed
        ended = accepted, accepted and way.quality < handled, first_right
        self.log.rows.append((*came, *both, final, len(way.steps), *drawn, *ended, how))

    def _way_of_serving(self, side: Side, task: str, served: Served) -> int:
        key = task, side.decides.get(task, "") if served.routed else "", str(served.status)
        if key not in self._known:
            self._known[key] = len(self.ways_of_serving)
            self.ways_of_serving.append(WayOfServing(task, side, served.status, served.routed))
        return self._known[key]

    def _handled_at(self, task: str) -> float:
        given = self.settings.tasks.get(task)
        return 1.0 if given is None else given.handled_at

    def _content(self, item: int, way: Way) -> Content:
        return Content(request_of(self.book, item), way.answers)

    def _routed(self, side: Side, item: int, moment: Moment) -> Way:
        query = self.book.catalogue.items[item].example.query
        state: Any = start(side.policy, query)
        while isinstance(state, Ask):
            answer = self.book.answer(state.tier, item, side.fingerprint(state.tier, query.task), moment)
            state = advance(side.policy, state, answer)
        return self._way(item, state.trace)

    def _top(self, item: int, moment: Moment) -> Way:
        key = ("", item, moment)
        if key not in self._ways:
            self._ways[key] = self._made_by_top(item, moment)
        return self._ways[key]

    def _made_by_top(self, item: int, moment: Moment) -> Way:
        answer = self.book.answer(self.book.portfolio.top, item, "", moment)
        step = StepRecord(
            answer.tier, answer.input_tokens, answer.output_tokens, answer.cost_usd, answer.latency_s, accepted=True
        )
        said = {answer.tier: answer.text}
        quality, why = self.book.quality(item, answer.text), "the top tier serves this task"
        return Way((step,), said, answer.tier, answer.cost_usd, answer.latency_s, quality, {}, why, why, quality)

    def _way(self, item: int, trace: Trace) -> Way:
        return Way(
            steps_of(trace),
            {step.answer.tier: step.answer.text for step in trace.steps},
            trace.answer.tier,
            trace.cost_usd,
            trace.latency_s,
            self.book.quality(item, trace.answer.text),
            {e.tier: e.quality for e in trace.route.estimates},
            trace.reason,
            trace.route.reason,
            self.book.quality(item, trace.steps[0].answer.text),
        )


def _decides(policy: Policy, task: str) -> str:
    """Router, rule, prices and models of one task; of the whole policy where it is not made of tasks."""
    rule, router = policy.stop_rule, policy.router
    if not isinstance(rule, RulePerTask) or not isinstance(router, RouterPerTask) or task not in rule.rules:
        return policy.version
    models = [f"{tier}={by_task.get(task)}" for tier, by_task in sorted(policy.models.items())]
    prices = [str(tier.price) for tier in policy.portfolio.tiers]
    parts = fingerprint(rule.rules[task].parts()), fingerprint(router.routers[task].parts())
    return "|".join([task, *parts, *models, *prices])


def request_of(book: AnswerBook, item: int) -> dict[str, object]:
    """The chat request that this item comes as."""
    example = book.catalogue.items[item].example
    messages = [{"role": turn.role, "content": turn.text} for turn in example.query.turns]
    messages.append({"role": "user", "content": example.query.text})
    about = {**example.query.metadata, "query_id": example.query.id, "group": example.group}
    return {"messages": messages, "metadata": about}
