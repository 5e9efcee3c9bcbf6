"""A backtest's result by hand, so that words, tables and pictures are looked at without running one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from routenlp.conformal.verdict import Method, Status, Verdict
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.result import (
    Backtest,
    PaperResult,
    Point,
    Recording,
    RuleResult,
    SystemResult,
    TaskResult,
)
from routenlp.replay.intervals import UNKNOWN, Interval

RULES = ("quality_ratio", "joint", "conditional")


def point(cost: float = 0.31, quality: float = 0.98) -> Point:
    share = Interval(0.02, 0.01, 0.03)
    return Point(
        Interval(quality, quality - 0.01, quality + 0.01), Interval(cost, cost - 0.02, cost + 0.02), 0.4, share, share
    )


def verdict(status: Status = Status.CERTIFIED, selected: int = 7, rule: str = "quality_ratio") -> Verdict:
    p = (0.01,) * 7
    return Verdict(rule, 0.03, 0.1, selected, 1, p, 0.98, 0.972, 500, 500, None, Method.BETTING, status, "All passed.")


def rule(status: Status = Status.CERTIFIED, selected: int = 7, cost: float = 0.31) -> RuleResult:
    return RuleResult(
        verdict(status, selected), verdict(Status.ASYMPTOTIC, selected), point(cost), point(cost - 0.01, 0.975)
    )


def system(name: str, cost: float, *, missing: float | None = 0.1) -> SystemResult:
    at = Interval(cost, cost - 0.01, cost + 0.01)
    return SystemResult(name, Interval(0.97, 0.96, 0.98), at, at, UNKNOWN, missing, missing and missing / 2)


def result(*, status: Status = Status.CERTIFIED, cost: float = 0.31, selected: int = 7, **changes: Any) -> Backtest:
    names = ("routenlp", "routenlp asymptotic", "routenlp uncertified", "random_mix", "always:small", "always:gpt")
    made = Backtest(
        recording=Recording(
            2_500,
            ("small", "gpt"),
            ("ask",),
            ("small", "gpt"),
            (),
            (),
            "recorded",
            {"train": 1_500, "calibrate": 500, "gate": 250, "test": 250},
        ),
        target=Target(),
        overall=point(cost),
        status=str(status),
        tasks={"ask": TaskResult(verdict(status, selected), point(cost), 0, 500)},
        systems=tuple(system(name, 0.3) for name in names),
        guarantees={name: rule(status, selected, cost) for name in RULES},
        paper=PaperResult(0.05, (0.4,), Status.CERTIFIED, point(0.5), Interval(0.05, 0.03, 0.07)),
        curves=dict.fromkeys(names[:4], ((0.3, 0.97), (1.0, 1.0)))
        | {"always:small": ((0.1, 0.8),), "always:gpt": ((1.0, 1.0),)},
        labels_still_needed=1_200,
        repeats=20,
        seconds=1.0,
    )
    return replace(made, **changes)
