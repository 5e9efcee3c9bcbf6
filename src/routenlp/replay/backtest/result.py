"""What a backtest says, as named results; `as_json` gives the keys that other programs rely on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from routenlp.conformal.verdict import Status, Verdict
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.words import headline, markdown
from routenlp.replay.intervals import Interval
from routenlp.replay.outcomes.table import CostKind, Dropped


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded, and what of it was used."""

    queries: int
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    tiers: tuple[str, ...]
    """Cheapest first, the top tier last."""
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]
    cost_kind: CostKind
    folds: Mapping[str, int]
    """Queries by fold, in the first split."""


@dataclass(frozen=True, slots=True)
class Point:
    """One policy on test rows."""

    quality_ratio: Interval
    cost_ratio: Interval
    escalated: float
    """Share of queries that went on from their first tier."""
    p_accepted_and_failed: Interval
    p_failed_given_accepted: Interval


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's verdict in the first split, and what the policy that it deploys did on test rows."""

    verdict: Verdict
    asymptotic: Verdict
    """The same walk by the normal approximation."""
    test: Point
    asymptotic_test: Point


@dataclass(frozen=True, slots=True)
class PaperResult:
    """The paper's thresholds at its alpha, from the cheapest tier up: is its promise given, what do test rows say."""

    alpha: float
    thresholds: tuple[float | None, ...]
    status: Status
    """CERTIFIED where the promise is given: on average over calibrations, a correct cheap answer is escalated at most
    that often. UNCERTIFIED where a tier has too few correct answers for one: its answers are then all escalated."""
    test: Point | None
    """None where no tier has a confidence."""
    p_escalated_given_correct: Interval | None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task: its own certificate in the first split, and its test rows under the policy that certificate deploys."""

    verdict: Verdict
    test: Point
    labels_still_needed: int | None
    """Beyond the task's calibration rows, until its uncertified operating point would likely be proved. 0: it is, or
    these rows are as many as that takes. None: never, for on these rows nothing cheaper holds the target."""
    rows: int
    """Calibration rows of the task."""


@dataclass(frozen=True, slots=True)
class SystemResult:
    """One system over all repeats: means of the repeats' figures, between their 2.5% and 97.5% points."""

    name: str
    quality_ratio: Interval
    cost_ratio: Interval
    cost_at_target: Interval
    """At equal quality: the cost ratio at which the hull of its policies *on test rows* reaches 1 - eps. Nothing is
    known where it does not in some repeat."""
    aiq: Interval
    share_of_repeats_missing_target: float | None
    """Of the repeats, how many missed the target on test rows, which have noise of their own. None where the system
    could not be fitted."""
    share_missing_beyond_noise: float | None
    """Of the repeats, how many missed it by more than one-sided 90% noise of the test rows."""
    note: str = ""
    """Why there is no figure, or what it needs."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """Everything that a backtest found."""

    recording: Recording
    target: Target
    overall: Point
    """The deployed policy of the guarantee asked for, in the first split."""
    status: str
    tasks: Mapping[str, TaskResult]
    systems: tuple[SystemResult, ...]
    guarantees: Mapping[str, RuleResult]
    paper: PaperResult
    curves: Mapping[str, tuple[tuple[float, float], ...]]
    """By system, (cost ratio, quality ratio) of its policies on the test rows of the first split."""
    labels_still_needed: int | None
    """As for a task, of all calibration rows."""
    repeats: int
    seconds: float

    def system(self, name: str) -> SystemResult:
        """One of `systems`. Raises KeyError for another name."""
        found = {system.name: system for system in self.systems}
        return found[name]

    def summary(self) -> str:
        """The result in plain words: what would have been paid, what is proved, what it would take to prove more."""
        return "\n".join(headline(self))

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the summary, and the systems."""
        return markdown(self)

    def as_json(self) -> dict[str, Any]:
        """The documented keys; intervals are {"estimate", "low", "high"}."""
        r = self.recording
        return {
            "outcomes": {
                "queries": r.queries,
                "models": list(r.models),
                "tasks": list(r.tasks),
                "tiers": list(r.tiers),
                "cost_kind": r.cost_kind,
                "dropped": [asdict(d) for d in r.dropped],
                "notes": list(r.notes),
            },
            "target": {k: getattr(self.target, k) for k in ("guarantee", "eps", "alpha", "delta")},
            "folds": dict(r.folds),
            "status": self.status,
            "overall": _point(self.overall),
            "tasks": {name: _task(task) for name, task in self.tasks.items()},
            "systems": [asdict(s) for s in self.systems],
            "guarantees": {"paper": _paper(self.paper), **{n: _rule(g) for n, g in self.guarantees.items()}},
            "labels_still_needed": self.labels_still_needed,
            "repeats": self.repeats,
            "seconds": round(self.seconds, 1),
        }


def _point(point: Point) -> dict[str, Any]:
    plain = asdict(point)
    plain["escalation_rate"] = plain.pop("escalated")
    return plain


def _task(task: TaskResult) -> dict[str, Any]:
    v = task.verdict
    return {
        "status": str(v.status),
        "n": v.n,
        "groups": v.groups,
        "estimate": v.estimate,
        "bound": v.bound,
        "method": str(v.method),
        "reason": v.reason,
        "labels_still_needed": task.labels_still_needed,
        **_point(task.test),
    }


def _rule(rule: RuleResult) -> dict[str, Any]:
    return {
        "finite_sample": {**asdict(rule.verdict), "test": _point(rule.test)},
        "asymptotic": {**asdict(rule.asymptotic), "test": _point(rule.asymptotic_test)},
    }


def _paper(paper: PaperResult) -> dict[str, Any]:
    return {
        "alpha": paper.alpha,
        "thresholds": list(paper.thresholds),
        "status": str(paper.status),
        "test": None if paper.test is None else _point(paper.test),
        "p_escalated_given_correct": None
        if paper.p_escalated_given_correct is None
        else asdict(paper.p_escalated_given_correct),
    }
