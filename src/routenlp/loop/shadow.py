"""The shadow: a candidate on live queries, answering nobody.

It shows what the gate cannot: whether the candidate runs at all, what it costs on today's traffic, how often it says
the same as what was served, and whether its certificates hold on audits that came after they were made. The first
harm that users could feel comes after it, so nothing is served before it was shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from routenlp.conformal.rates import Rate, rate
from routenlp.loop.compared import Compared
from routenlp.loop.coverage import Coverage, Promise, coverage
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Shadowed:
    """One live query: what was served, and what the candidate would have done."""

    task: str
    served_tier: str
    served_usd: float
    tier: str | None
    """Whose answer the candidate would have returned; None where it failed. The top tier is not asked for a shadow: it
    stands for what it would have said."""
    usd: float | None
    """Every tier that the candidate would have called, the top tier's part estimated; None where it is not known."""
    same: bool | None
    """Whether its answer is word for word the one served; None where one of them is not known."""
    top: bool
    """Whether it would have asked the top tier."""


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """How much is to be seen."""

    queries: int = 200
    """Of all tasks together, before the canary."""
    audits: int = 20
    """Likewise: the certificates are measured on them, before anything is served."""
    most_failed: float = 0.02
    """Share of queries on which the candidate may fail; evidently more is a rejection."""
    level: float = 0.05
    """At which a broken promise is called so, over all tasks and looks together."""


class ShadowDecision(StrEnum):
    """What to do now."""

    WAIT = "wait"
    PASS = "pass"  # noqa: S105
    """On to the canary."""
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class TaskShadow:
    """One task's live queries."""

    task: str
    queries: int
    failed: Rate
    same: Rate
    """Of the queries where both answers are known."""
    to_top: Rate
    served_usd: float | None
    """Mean over the queries whose cost under the candidate is known, like the next two; None where there is none."""
    candidate_usd: float | None
    saved_usd: float | None
    saved_error_usd: float | None
    """Standard error of the mean saved, queries taken as independent; None under two."""


@dataclass(frozen=True, slots=True)
class ShadowVerdict:
    """What was seen, and what it says."""

    decision: ShadowDecision
    tasks: tuple[TaskShadow, ...]
    coverage: tuple[Coverage, ...]
    """Of every task that has audits since the candidate was made."""
    plan: ShadowPlan
    reasons: tuple[str, ...]

    def evidence(self) -> dict[str, Any]:
        """JSON values only."""
        return {"kind": "shadow", **asdict(self)}


def judge(
    seen: Sequence[Shadowed],
    audits: Sequence[Compared],
    promises: Mapping[str, Promise],
    plan: ShadowPlan,
    *,
    handled_at: Mapping[str, float],
) -> ShadowVerdict:
    """`seen`: in any order. `audits`: in time order, each task once. `promises`: of the candidate, by task."""
    tasks = tuple(_task(name, [s for s in seen if s.task == name]) for name in sorted({s.task for s in seen}))
    covered = tuple(
        coverage(task, promises.get(task.task), handled_at=handled_at[task.task], level=plan.level / len(audits))
        for task in audits
    )
    bad = [
        f"Task {t.task}: the candidate failed on {t.failed.count} of {t.queries} queries, evidently over "
        f"{plan.most_failed:.0%}."
        for t in tasks
        if t.failed.low > plan.most_failed
    ]
    bad += [
        f"Task {c.task}: {c.rows} audits contradict the certificate's {c.promise.rule} at {c.promise.target:g}."
        for c in covered
        if c.contradicted and c.promise is not None
    ]
    if bad:
        return ShadowVerdict(ShadowDecision.REJECT, tasks, covered, plan, tuple(bad))
    if len(seen) < plan.queries:
        short = (f"{len(seen)} of {plan.queries} live queries seen.",)
        return ShadowVerdict(ShadowDecision.WAIT, tasks, covered, plan, short)
    audited = sum(task.n for task in audits)
    if audited < plan.audits:
        short = (f"{audited} of {plan.audits} audits seen.",)
        return ShadowVerdict(ShadowDecision.WAIT, tasks, covered, plan, short)
    fine = f"{len(seen)} live queries: it runs, and no audit of {audited} contradicts its certificates."
    return ShadowVerdict(ShadowDecision.PASS, tasks, covered, plan, (fine,))


def _task(name: str, seen: Sequence[Shadowed]) -> TaskShadow:
    known = np.array([(s.served_usd, s.usd) for s in seen if s.usd is not None], dtype=np.float64).reshape(-1, 2)
    saved = known[:, 0] - known[:, 1]
    told = [s.same for s in seen if s.same is not None]
    served_usd, candidate_usd, saved_usd = (_mean(column) for column in (known[:, 0], known[:, 1], saved))
    return TaskShadow(
        name,
        len(seen),
        rate(sum(s.tier is None for s in seen), len(seen)),
        rate(sum(told), len(told)),
        rate(sum(s.top for s in seen), len(seen)),
        served_usd,
        candidate_usd,
        saved_usd,
        float(saved.std(ddof=1) / np.sqrt(len(saved))) if len(saved) > 1 else None,
    )


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None
