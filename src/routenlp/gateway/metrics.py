"""Prometheus metrics. Children are looked up once and kept; no label names a user or a key."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from routenlp.gateway.course import Course
from routenlp.gateway.live import Live
from routenlp.store.sql.records import StepRecord

CONTENT_TYPE = CONTENT_TYPE_LATEST
_OWN_BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)
_CALL_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKEN_BUCKETS = tuple(4.0**power for power in range(14))


class Metrics:
    """One registry for each gateway, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._children: dict[tuple[Any, ...], Any] = {}
        self._requests = Counter(
            "routenlp_requests", "Requests answered.", ["task", "tier", "outcome"], registry=registry
        )
        self._overhead = Histogram(
            "routenlp_overhead_seconds", "Our own share of the latency.", buckets=_OWN_BUCKETS, registry=registry
        )
        self._first_token = Histogram(
            "routenlp_ttft_seconds",
            "Of streams, from the request to the first event.",
            ["task", "mode"],
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self._escalations = Counter(
            "routenlp_escalations", "Moves to a dearer tier.", ["from_tier", "to_tier", "reason"], registry=registry
        )
        self._cost = Counter("routenlp_cost_usd", "What tiers cost.", ["tier"], registry=registry)
        self._saved = Gauge(
            "routenlp_saved_usd_total", "Against the top tier alone, as estimated by tokens.", registry=registry
        )
        self._failsafe = Counter(
            "routenlp_failsafe",
            "Parts of ours that failed, so that the last tier answered.",
            ["part"],
            registry=registry,
        )
        self._breaker = Gauge("routenlp_breaker_state", "0 closed, 1 half open, 2 open.", ["tier"], registry=registry)
        self._depth = Gauge("routenlp_store_queue_depth", "Records that wait to be stored.", registry=registry)
        self._dropped = Gauge(
            "routenlp_store_dropped_total", "Records that the store could not take.", registry=registry
        )
        self._feedback = Counter("routenlp_feedback", "Feedback taken.", ["kind"], registry=registry)
        self._duration = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Of calls to tiers.",
            ["gen_ai_operation_name", "gen_ai_request_model", "error_type"],
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self._tokens = Histogram(
            "gen_ai_client_token_usage",
            "Of calls to tiers.",
            ["gen_ai_operation_name", "gen_ai_request_model", "gen_ai_token_type"],
            buckets=_TOKEN_BUCKETS,
            registry=registry,
        )

    def finished(self, course: Course, tier: str | None, outcome: str, saved_usd: float | None) -> None:
        """One request is over."""
        self._child(self._requests, course.aim.served.task, tier or "", outcome).inc()
        self._overhead.observe(course.overhead_s)
        if course.first_token_s is not None:
            self._child(self._first_token, course.aim.served.task, course.streaming).observe(course.first_token_s)
        for step in course.steps:
            self._called(step)
        for move in course.escalations:
            self._child(self._escalations, move.from_tier, move.to_tier, move.reason).inc()
        for part in course.failsafe:
            self._child(self._failsafe, part).inc()
        if saved_usd is not None:
            self._saved.inc(saved_usd)

    def failed_safe(self, part: str) -> None:
        """A part of ours failed outside a request's course."""
        self._child(self._failsafe, part).inc()

    def fed_back(self, kind: str) -> None:
        """Feedback came."""
        self._child(self._feedback, kind).inc()

    def text(self, live: Live, depth: int, dropped: int) -> bytes:
        """What Prometheus reads."""
        for name, tier in live.tiers.items():
            self._child(self._breaker, name).set(int(tier.state))
        self._depth.set(depth)
        self._dropped.set(dropped)
        return generate_latest(self.registry)

    def _called(self, step: StepRecord) -> None:
        self._child(self._duration, "chat", step.tier, step.error or "").observe(step.latency_s)
        if step.cost_usd:
            self._child(self._cost, step.tier).inc(step.cost_usd)
        for kind, tokens in (("input", step.input_tokens), ("output", step.output_tokens)):
            if tokens is not None:
                self._child(self._tokens, "chat", step.tier, kind).observe(tokens)

    def _child(self, metric: Any, *labels: str) -> Any:
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child
