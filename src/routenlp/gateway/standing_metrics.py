"""Promises as gauges: read from the store whenever Prometheus asks, because the worker changes them elsewhere."""

from __future__ import annotations

import sqlite3
import time

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import generate_latest

from routenlp.errors import StoreError
from routenlp.gateway.live import Live
from routenlp.gateway.standing import standings
from routenlp.store.sql import recalibrations
from routenlp.store.sql.database import locate, mapped, open_reader


def standing_text(live: Live) -> bytes:
    """Nothing without a store, and where it cannot be read: other metrics must not fail with it. Reads a file."""
    if live.settings.store is None:
        return b""
    store = locate(live.settings.store.url)
    try:
        with mapped(store):
            connection = open_reader(store)
            try:
                return generate_latest(_gauges(connection, live))
            finally:
                connection.close()
    except StoreError:
        return b""


def _gauges(connection: sqlite3.Connection, live: Live) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(f"routenlp_{name}", about, ["task"], registry=registry)
        for name, about in (
            ("alarm_level", "How near a task's alarm is; 1 and more while one is open."),
            ("certificate_age_seconds", "Since a task's certificate was issued."),
            ("risk_estimate", "What a task's certificate estimates, in its rule's own quantity."),
            ("risk_bound", "Its one-sided bound."),
            ("risk_target", "What is asked for: a quality ratio, or a largest share of failures."),
            ("judge_alarm_level", "How near a task's judge is to having changed; 1 and more is an alarm."),
            ("judge_leniency", "How much better a task's judge finds cheap answers than people do."),
            ("audit_rate", "Share of a task's requests that is drawn for audits now."),
            ("audits_missing_share", "Of a task's audits that were settled, those that could not be run or graded."),
            ("stale", "1 while a task is served by its last certificate in spite of an alarm."),
        )
    }
    for one in standings(connection, live.settings, live.policy, live.tasks, time.time()):
        values = {
            "alarm_level": one.alarm_level,
            "certificate_age_seconds": one.certificate_age_s,
            "risk_estimate": one.estimate,
            "risk_bound": one.bound,
            "risk_target": 1.0 - one.target if one.guarantee == "quality_ratio" else one.target,
            "judge_alarm_level": one.judge.alarm_level if one.judge is not None else None,
            "judge_leniency": one.judge.leniency if one.judge is not None else None,
            "audit_rate": one.audited.rate,
            "audits_missing_share": one.audits.share,
            "stale": float(one.stale),
        }
        for name, value in values.items():
            if value is not None:
                gauges[name].labels(one.task).set(value)
    done = Counter("routenlp_recalibrations", "Attempts.", ["trigger", "result"], registry=registry)
    for trigger, result, n in recalibrations.attempt_counts(connection):
        done.labels(trigger, result).inc(n)
    return registry
