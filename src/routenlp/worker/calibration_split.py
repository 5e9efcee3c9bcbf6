"""Which audits a recalibration tests, which choose how, and what it puts on record of the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from routenlp.cascade.decision import Utility
from routenlp.conformal.missing import worst_case
from routenlp.replay.audited import AuditRow, Walked, is_guide
from routenlp.replay.rungs import Rung
from routenlp.replay.wanted import Wanted
from routenlp.store.sql.money import DAY_S
from routenlp.store.sql.recalibrations import Attempt
from routenlp.store.sql.settled import Settled
from routenlp.worker.calibration_rows import Gathered

MORE = 1.25
"""Times the labels tested, at the least, before the next attempt."""
NEW_AT_MOST = 2.0
"""Times the labels tested that an attempt waits for at most, whatever few labels foretold. So many new ones are tested
alone, at a fresh delta; being twice as many each time, attempts are few and come to any size that a proof needs."""
RENEWED_DAYS = 7.0
"""From which age on a proof of audits does not wait for twice as many: a week has each of its days once."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """In time order."""

    rows: tuple[AuditRow, ...]
    """To be tested."""
    guide: tuple[AuditRow, ...]
    """Choose where the walk begins, and how far a judge is trusted."""
    looks: int
    """Earlier attempts that tested some of `rows`."""
    first_s: float | None
    """Of `rows`, like the next."""
    last_s: float | None
    set_aside: int = 0
    """Of `guide`, those that were taken from the pool: so many of what comes will not be tested either."""


def split_audits(found: Gathered, tested: Sequence[Mapping[str, Any]], pool_s: float, newest: int | None) -> Split:
    """`tested`: evidence of earlier attempts, the oldest first. `newest`: so many at most; None: all of the pool. An
    attempt that tested streams too was two looks.

    Once as many audits are new as the last attempt tested, the new ones are tested alone.
    """
    pool = [i for i, at_s in enumerate(found.at_s) if at_s >= pool_s]
    pool = pool if newest is None else pool[-newest:]
    if tested and pool:
        newer = [i for i in pool if found.at_s[i] > tested[-1]["last_s"]]
        pool = newer if len(newer) >= tested[-1]["n"] else pool
    chosen = set(pool)
    earlier, guides = [i for i in range(len(found.rows)) if i not in chosen], list[int]()
    if any(found.rows[i].gold is None for i in pool) or not earlier:
        guides = [i for i in pool if is_guide(found.rows[i].id)]
        earlier, pool = [*earlier, *guides], [i for i in pool if not is_guide(found.rows[i].id)]
    first = found.at_s[pool[0]] if pool else None
    seen = [look for look in tested if first is not None and look["last_s"] >= first]
    looks = sum(1 + look.get("commit", {}).get("tested", False) for look in seen)
    last = found.at_s[pool[-1]] if pool else None
    rows, guide = (tuple(found.rows[i] for i in part) for part in (pool, earlier))
    return Split(rows, guide, looks, first, last, len(guides))


def few(split: Split, fewest: int, waiting: int) -> str:
    """Why nothing was tested."""
    if waiting:
        return f"{waiting} audits were drawn for a gold label and have none yet: without them the draw is no draw."
    return f"{len(split.rows)} labels can be tested, and under {fewest} no policy can pass."


def evidence_of(walked: Walked, asked: Wanted, rungs: Sequence[Rung], split: Split) -> dict[str, Any]:
    """JSON values."""
    verdict = walked.verdict
    return {
        "level": asked.target.delta,
        "first_s": split.first_s,
        "last_s": split.last_s,
        "n": len(split.rows),
        "gold": walked.gold,
        "judged": walked.judged,
        "judge_trusted": walked.lam,
        "rule": verdict.rule,
        "target": verdict.target,
        "status": str(verdict.status),
        "method": str(verdict.method),
        "groups": verdict.groups,
        "estimate": verdict.estimate,
        "bound": verdict.bound,
        "p_values": [float(p) for p in np.round(verdict.p_values, 6)],
        "tested_from": verdict.tested_from,
        "step": walked.step,
        "policies": len(rungs) - 1,
        "rung": _rung(rungs[walked.step]),
        "cost_ratio": walked.cost_ratio,
        "labels_needed": walked.labels_needed,
        "reason": verdict.reason,
    }


def beside_missing(walked: Walked, missing: Settled) -> dict[str, Any]:
    """JSON values: what the audits that are missing could change of what was proved."""
    verdict, share = walked.verdict, missing.share or 0.0

    def worst(value: float | None) -> float | None:
        return None if value is None else worst_case(verdict.rule, value, share, top=walked.top, cheap=walked.cheap)

    return {"estimate_if_missing_failed": worst(verdict.estimate), "bound_if_missing_failed": worst(verdict.bound)}


def more_labels(walked: Walked, split: Split) -> int:
    """Graded audits until the next attempt is worth while."""
    n = len(split.rows)
    more = max(NEW_AT_MOST * n if walked.labels_needed is None else walked.labels_needed, (MORE - 1.0) * n)
    more = min(more, NEW_AT_MOST * n)
    return round(more * (n + split.set_aside) / n)


def _rung(rung: Rung) -> dict[str, Any]:
    if isinstance(rung, Utility):
        return {"price": rung.price, "margin": rung.margin, "looks_ahead": rung.options is not None}
    return {"limit": rung}


def renewed_at(last: Attempt, now_s: float) -> int:
    """Graded audits in the pool with which a proof of audits is made anew; `last`: the attempt that tested rows last.

    The first one after an alarm is made on few audits, is cautious for it, and would be so until the next alarm. So
    would one that was made while a tier did badly, for no alarm tells that it does well again: once it is
    `RENEWED_DAYS` old, as many new audits are enough as can be tested alone.
    """
    if last.result != "active":
        return int(last.evidence.get("wanted") or 0)
    times = NEW_AT_MOST if now_s - last.at_s < RENEWED_DAYS * DAY_S else MORE
    return int(last.evidence["graded"]) + round(times * int(last.evidence["n"]))
