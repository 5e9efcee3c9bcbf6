"""Requests whose truth is known: what every tier would have cost, and how good each answer was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from routenlp.draws import draw
from routenlp.store.sql.graded import Quality
from routenlp.store.sql.reported import ReportedAudit, Traffic

NOON_S = 1_700_000_000.0
DAY = int(NOON_S // 86_400)
GOLD = 1.0 / 3.0
AUDIT = ReportedAudit(
    trace_id="t",
    at_s=NOON_S,
    task="intent",
    propensity=0.5,
    gold_propensity=None,
    tiers=("small", "top"),
    state="graded",
    reason="",
    served="small",
    group="g",
    cost_usd=0.01,
    top_estimate_usd=1.0,
    top_usd=1.0,
    qualities={"small": Quality(1.0, None), "top": Quality(1.0, None)},
)
TRAFFIC = Traffic("intent", DAY, "routed", True, 100, 100, 10, 1.0, 100.0, 50.0, 50, 0.5, 0.5, NOON_S, NOON_S + 60.0)


def audit(i: int = 0, **changes: Any) -> ReportedAudit:
    return replace(AUDIT, **{"trace_id": f"{i:032x}", "group": f"g{i}"} | changes)


def audits(n: int, **changes: Any) -> list[ReportedAudit]:
    return [audit(i, **changes) for i in range(n)]


def graded(served: float, top: float, source: str = "gold") -> dict[str, Quality]:
    def quality(value: float) -> Quality:
        return Quality(value, None) if source == "gold" else Quality(None, value)

    return {"small": quality(served), "top": quality(top)}


def traffic(**changes: Any) -> Traffic:
    return replace(TRAFFIC, **changes)


@dataclass(frozen=True)
class World:
    """One draw of audits from fixed requests."""

    traffic: list[Traffic]
    audits: list[ReportedAudit]
    top_usd: float
    """Of always-top, over all requests."""
    quality_ratio: float


def world(seed: int, *, n: int = 2_000, judged: bool = False) -> World:
    """Answers of the cheap tier are shorter than the top tier's, so that costs from tokens alone are too low; later
    requests are drawn more often, and are worse. `judged`: a judge that is too kind, and gold for a third."""
    fixed = np.random.default_rng(7)
    late = np.arange(n) >= n * 3 // 4
    top_usd = fixed.gamma(2.0, 0.5, n)
    estimate = top_usd * fixed.uniform(0.4, 0.9, n)
    chance = np.where(late, 0.3, 0.05)
    top = (fixed.random(n) < 0.9).astype(float)
    served = top * (fixed.random(n) < np.where(late, 0.85, 0.97))
    kind = np.maximum(served, fixed.random(n) < 0.5)
    rng = np.random.default_rng([seed, 1])
    drawn = np.flatnonzero(rng.random(n) < chance)
    names = [f"{seed:08x}{i:024x}" for i in range(n)]

    def qualities(i: int) -> dict[str, Quality]:
        if not judged:
            return graded(served[i], top[i])
        gold = (served[i], top[i]) if draw("gold", names[i]) < GOLD else (None, None)
        return {"small": Quality(gold[0], kind[i]), "top": Quality(gold[1], 1.0)}

    rows = [
        audit(
            trace_id=names[i],
            group=names[i],
            propensity=chance[i],
            gold_propensity=GOLD if judged else None,
            top_estimate_usd=estimate[i],
            top_usd=top_usd[i],
            qualities=qualities(i),
        )
        for i in drawn
    ]
    came = traffic(
        requests=n, cost_usd=0.01 * n, top_estimate_usd=float(estimate.sum()), expected_audits=float(chance.sum())
    )
    return World([replace(came, drawn=len(rows))], rows, float(top_usd.sum()), float(served.sum() / top.sum()))
