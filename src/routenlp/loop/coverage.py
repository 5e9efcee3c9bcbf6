"""The coverage diagnostic: does a changed policy do what its certificates promise, on rows that proved nothing of it?

A certificate is proved on the calibration fold. Before the policy answers anybody, its target is measured once more on
other rows, gate or shadow, and it is said whether those rows contradict it. What is measured never replaces a proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from routenlp.conformal.betting import Bounded
from routenlp.conformal.rates import Rate, rate
from routenlp.conformal.sequential import best, log_evidence
from routenlp.loop.compared import Compared, first_of_each_group

Rule = Literal["quality_ratio", "joint", "conditional", "paper"]


@dataclass(frozen=True, slots=True)
class Promise:
    """What a task's certificate says."""

    rule: Rule
    target: float
    """eps of `quality_ratio`, alpha of the others."""
    handled_at: float


@dataclass(frozen=True, slots=True)
class Coverage:
    """One task after the update."""

    task: str
    rows: int
    promise: Promise | None
    """None where there is no certificate."""
    quality_ratio: float | None
    """Of the candidate; None where the top tier has no quality."""
    accepted_and_failed: Rate
    failed_given_accepted: Rate
    log_evidence: float
    """ln of the e-value of: the promise is broken. Under `paper` nothing is tested."""
    contradicted: bool


def coverage(task: Compared, promise: Promise | None, *, handled_at: float, level: float) -> Coverage:
    """Measured on `task`, of each group its first row; a promise that holds is called broken with probability at most
    `level`, however often one looks."""
    rows = task.rows(first_of_each_group(task.groups))
    failed = rows.candidate < handled_at
    lost = int((rows.cheap & failed).sum())
    top = float(rows.top.sum())
    log_e = _log_broken(rows, promise)
    return Coverage(
        task.task,
        rows.n,
        promise,
        float(rows.candidate.sum()) / top if top > 0.0 else None,
        rate(lost, rows.n),
        rate(lost, int(rows.cheap.sum())),
        log_e,
        log_e >= float(np.log(1.0 / level)),
    )


def _log_broken(rows: Compared, promise: Promise | None) -> float:
    """Bets that the excess over the target is above 0 on average, where the promise says at most 0."""
    if promise is None or promise.rule == "paper" or not rows.n:
        return 0.0
    failed = (rows.candidate < promise.handled_at).astype(np.float64)
    if promise.rule == "quality_ratio":
        excess = (1.0 - promise.target) * rows.top - rows.candidate
        return best(log_evidence(Bounded(-excess, -1.0, 1.0)))
    excess = rows.cheap * failed - promise.target * (1.0 if promise.rule == "joint" else rows.cheap)
    return best(log_evidence(Bounded(-excess, -1.0, promise.target)))
