"""Answers of every tier to every row, as arrays: what replay and calibration compute on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Scorer
from routenlp.types import Answer, Example, FloatArray


@dataclass(frozen=True, slots=True)
class Recorded:
    """One task's rows x tiers. Tiers are cheapest first; every matrix has shape (n, tiers)."""

    task: str
    tiers: tuple[str, ...]
    handled_at: float
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    answers: tuple[tuple[Answer, ...], ...]
    quality: FloatArray
    score: FloatArray
    """NaN where an answer could not be scored."""
    cost_usd: FloatArray
    latency_s: FloatArray

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.ids)

    @property
    def handled(self) -> NDArray[np.bool_]:
        """Whether each answer counts as handled: its quality reaches the task's `handled_at`."""
        return np.asarray(self.quality >= self.handled_at)


def record(
    task: str,
    handled_at: float,
    examples: Sequence[Example],
    answers: Sequence[tuple[Answer, ...]],
    grade: Callable[[str, str], float],
    scorer: Scorer,
) -> Recorded:
    """Grade and score `answers`: for each example, one answer of every tier, cheapest first."""
    quality = [[grade(a.text, e.reference) for a in row] for e, row in zip(examples, answers, strict=True)]
    score = [[_nan_if_none(scorer.score(a)) for a in row] for row in answers]
    width = len(answers[0]) if answers else 0

    def matrix(rows: list[list[float]]) -> FloatArray:
        return np.array(rows, dtype=np.float64).reshape(len(examples), width)

    return Recorded(
        task=task,
        tiers=tuple(a.tier for a in answers[0]) if answers else (),
        handled_at=handled_at,
        ids=tuple(e.query.id for e in examples),
        groups=tuple(e.group for e in examples),
        answers=tuple(answers),
        quality=matrix(quality),
        score=matrix(score),
        cost_usd=matrix([[a.cost_usd for a in row] for row in answers]),
        latency_s=matrix([[a.latency_s for a in row] for row in answers]),
    )


def _nan_if_none(value: float | None) -> float:
    return float("nan") if value is None else value
