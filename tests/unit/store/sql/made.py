"""Records for tests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from routenlp.store.sql.records import StepRecord, TraceRecord

NOON_S = 1_700_000_000.0
"""14 November 2023, 22:13 UTC."""

STEPS = (
    StepRecord("small", 120, 10, 1e-5, 0.3, score=0.4, threshold=0.2),
    StepRecord("large", 120, 12, 1e-3, 0.9, accepted=True),
)
_TRACE = TraceRecord(
    id="a" * 32,
    at_s=NOON_S,
    task="intent",
    policy_version="p" * 64,
    status="CERTIFIED",
    outcome="ok",
    first_tier="small",
    tier="large",
    steps=STEPS,
    cost_usd=1.01e-3,
    latency_s=1.2,
)


def made_trace(name: str = "a" * 32, **changes: Any) -> TraceRecord:
    if changes.get("audited"):
        changes = {"audit_propensity": 0.02, "audit_tiers": ("small", "large")} | changes
    return replace(_TRACE, id=name, **changes)
