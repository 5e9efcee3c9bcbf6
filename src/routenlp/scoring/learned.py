"""The learned score: what an answer's uncertainty, its length, the router's estimate, tier and task say together.

A logistic regression a tier, then an isotonic map a tier, both fitted on the training fold (`training.score`):
score = 1 - expected quality. `ScorePerTask` serves, for each task, whichever score ranked its training answers best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.scoring.features import UNCERTAINTIES, uncertainties
from routenlp.types import Answer, FloatArray, Parts, Route

LEARNED = "learned"
_EDGE = 1e-4
_FAR = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class ScoreInputs:
    """What scores are computed from, of n queries and all K tiers."""

    task: NDArray[np.int64]
    """Shape (n,)."""
    uncertainty: FloatArray
    """Shape (n, K, m): m measures in [0, 1]; NaN where an answer gives none."""
    estimate: FloatArray
    """The router's estimates of quality, shape (n, K); NaN where there is none."""
    length: FloatArray
    """Of answers, shape (n, K); NaN where it is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class LearnedScore:
    """Weights and isotonic maps by tier."""

    weights: FloatArray
    """Shape (K, m + 2 + tasks + 1): measures, estimate, length, the task one-hot, 1."""
    centre: FloatArray
    """Of the first m + 2 columns, shape (K, m + 2): what a missing value counts as."""
    knots: FloatArray
    """Rising, shape (K, p)."""
    levels: FloatArray
    """Expected quality at each knot, not falling, shape (K, p)."""

    def scores(self, inputs: ScoreInputs) -> FloatArray:
        """Shape (n, K), in [0, 1]; NaN where an answer gives no uncertainty at all: absent is not sure."""
        out = np.empty(inputs.estimate.shape)
        for k in range(len(self.weights)):
            known = raw_columns(inputs, k) - self.centre[k]
            known[np.isnan(known)] = 0.0
            of_answer, of_task = np.split(self.weights[k, :-1], [self.centre.shape[1]])
            z = (known * of_answer).sum(axis=1) + of_task[inputs.task] + self.weights[k, -1]
            out[:, k] = 1.0 - np.interp(z, self.knots[k], self.levels[k])
        out[np.isnan(inputs.uncertainty).all(axis=2)] = np.nan
        return out


def raw_columns(inputs: ScoreInputs, k: int) -> FloatArray:
    """Tier k's measures and estimate as logits, and ln(1 + length): shape (n, m + 2), NaN where unknown."""
    sure = np.concatenate([1.0 - inputs.uncertainty[:, k], inputs.estimate[:, k, None]], axis=1)
    kept = np.clip(sure, _EDGE, 1.0 - _EDGE)
    return np.concatenate([np.log(kept / (1.0 - kept)), np.log1p(inputs.length[:, k, None])], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class ScorePerTask:
    """`Scorer` that serves each task by the score chosen for it: one of `UNCERTAINTIES`, or `learned`.

    A task that was not fitted is scored by the paper's mean. Without a route, so is every task.
    """

    tasks: tuple[str, ...]
    tiers: tuple[str, ...]
    chosen: Mapping[str, str]
    learned: LearnedScore

    KIND: ClassVar[str] = "scorer/per_task"

    def score(self, answer: Answer, route: Route | None = None) -> float | None:
        """In [0, 1]; None where the answer has no token probabilities."""
        found = uncertainties(answer.token_probs)
        name = "mean" if route is None else self.chosen.get(route.task, "mean")
        if route is not None and name == LEARNED and answer.tier in self.tiers:
            value = self._learned(answer, route, found)
        else:
            value = found[list(UNCERTAINTIES).index("mean" if name == LEARNED else name)]
        return None if np.isnan(value) else value

    def parts(self) -> Parts:
        """For storage and for the policy's version."""
        arrays = {name: getattr(self.learned, name) for name in ("weights", "centre", "knots", "levels")}
        meta = {"tasks": list(self.tasks), "tiers": list(self.tiers), "chosen": dict(self.chosen)}
        return Parts(self.KIND, arrays, meta)

    @classmethod
    def from_parts(cls, parts: Parts) -> ScorePerTask:
        """The inverse of `parts`; raises `KeyError` where a part is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        names = ("weights", "centre", "knots", "levels")
        learned = LearnedScore(*(np.asarray(parts.arrays[name], dtype=np.float64) for name in names))
        return cls(tuple(meta["tasks"]), tuple(meta["tiers"]), dict(meta["chosen"]), learned)

    def _learned(self, answer: Answer, route: Route, found: tuple[float, ...]) -> float:
        k = self.tiers.index(answer.tier)
        estimates = {estimate.tier: estimate.quality for estimate in route.estimates}
        uncertainty = np.full((1, len(self.tiers), len(found)), np.nan)
        uncertainty[0, k] = found
        length = np.full((1, len(self.tiers)), float(answer.output_tokens))
        expected = np.array([[estimates.get(tier, np.nan) for tier in self.tiers]])
        task = np.array([self.tasks.index(route.task)])
        return float(self.learned.scores(ScoreInputs(task, uncertainty, expected, length))[0, k])
