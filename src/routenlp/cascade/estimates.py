"""What each tier's answer is worth, given the answers already there: one small logistic model per (state, tier).

A *state* is the set S of tiers already run, as a bit mask: bit k is tier k, cheapest first. With K tiers there are 2^K
states, and in each of them every tier has a model

    logit q_k(x, S) = b_k(task) + sum_j a_kj r_j(x) + sum_{s in S} (signals of s's answer) . w_ks

over r_j(x), the logit of the router's estimate for tier j, and the signals of the answers in S (`SIGNALS`).
A signal that an answer does not give (no confidence, no known length) adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Parts

SIGNALS = 4
"""Of an answer: isotonic confidence and raw confidence as logits, standardised ln(1 + length) and its square."""
EDGE = 0.01
RAW_EDGE = 1e-4
FAR = 3.0
MOST = 30.0
"""Of a logit, either way."""


def logit(p: FloatArray, edge: float = EDGE) -> FloatArray:
    """ln(p / (1 - p)) with p kept `edge` away from 0 and 1; NaN stays NaN."""
    kept = np.minimum(np.maximum(p, edge), 1.0 - edge)
    return np.asarray(np.log(kept / (1.0 - kept)))


def sigmoid(z: FloatArray) -> FloatArray:
    """1 / (1 + exp(-z)), finite for every z."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.minimum(np.maximum(z, -MOST), MOST))))


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What can be known of n queries: before any answer, and of each tier's answer once it is there."""

    task: NDArray[np.int64]
    """Position of the task, shape (n,)."""
    expected: FloatArray
    """The router's estimates of quality, shape (n, K), in [0, 1]."""
    confidence: FloatArray
    """Of each answer, shape (n, K), in [0, 1]; NaN where a tier gives none."""
    length: FloatArray
    """Of each answer, shape (n, K), 0 or more; NaN where it is not known."""


@dataclass(frozen=True, slots=True, eq=False)
class AnswerSignals:
    """Turns confidence and length of an answer into `SIGNALS` numbers."""

    knots: FloatArray
    """Confidences at which the isotonic maps are given, shape (K, p), rising."""
    levels: FloatArray
    """Expected quality at each knot, shape (tasks, K, p), not falling; linear in between, flat beyond."""
    centre: FloatArray
    """Of each signal, shape (K, SIGNALS): subtracted, so that a missing signal, 0, means an average one."""
    length_mean: FloatArray
    """Of ln(1 + length), shape (K,)."""
    length_scale: FloatArray
    """Its standard deviation, shape (K,); positive."""

    def of(self, evidence: Evidence) -> FloatArray:
        """Shape (SIGNALS, K, n): contiguous over queries. 0 where an answer lacks the signal."""
        n, tiers = evidence.confidence.shape
        out = np.empty((SIGNALS, tiers, n))
        for k in range(tiers):
            confidence = evidence.confidence[:, k]
            out[0, k] = logit(self._isotonic(confidence, evidence.task, k))
            out[1, k] = logit(confidence, RAW_EDGE)
            z = (np.log1p(evidence.length[:, k]) - self.length_mean[k]) / self.length_scale[k]
            out[2, k] = np.clip(z, -FAR, FAR)
            out[3, k] = out[2, k] * out[2, k]
        out -= self.centre.T[:, :, None]
        out[np.isnan(out)] = 0.0
        return out

    def _isotonic(self, confidence: FloatArray, task: NDArray[np.int64], k: int) -> FloatArray:
        out = np.full(confidence.shape, np.nan)
        known = ~np.isnan(confidence)
        for t in np.unique(task[known]):
            at = known & (task == t)
            out[at] = np.interp(confidence[at], self.knots[k], self.levels[t, k])
        return out


@dataclass(frozen=True, slots=True, eq=False)
class AnswerQuality:
    """q_k(x, answers of S) for every state S and tier k."""

    signals: AnswerSignals
    task_weights: FloatArray
    """b_k(task), shape (states, K, tasks)."""
    route_weights: FloatArray
    """a_kj, shape (states, K, K)."""
    signal_weights: FloatArray
    """w_ks, shape (states, K, SIGNALS, K): of tier k, the weight of each signal of each tier; 0 outside the state."""

    KIND: ClassVar[str] = "cascade/answer_quality"

    @property
    def tiers(self) -> int:
        """K."""
        return int(self.route_weights.shape[1])

    def predict(self, evidence: Evidence, state: int, columns: Columns | None = None) -> FloatArray:
        """Shape (n, K), in (0, 1). Of answers outside `state`, nothing is looked at.

        Sums run column by column, so that a row's estimates are the same bits whatever rows stand beside it.
        """
        run = members(state)
        columns = columns or self.columns(evidence)
        z = self.task_weights[state][:, evidence.task]
        for j in range(self.tiers):
            z += self.route_weights[state, :, j, None] * columns.route[j]
        for k in run:
            for i in range(SIGNALS):
                z += self.signal_weights[state, :, i, k, None] * columns.signals[i, k]
        return np.ascontiguousarray(sigmoid(z).T)

    def columns(self, evidence: Evidence) -> Columns:
        """The inputs of every model, to be computed once for many states."""
        return Columns(np.ascontiguousarray(logit(evidence.expected).T), self.signals.of(evidence))

    def parts(self) -> Parts:
        """For storage."""
        mine = {name: getattr(self, name) for name in ("task_weights", "route_weights", "signal_weights")}
        theirs = {f"signals.{f.name}": getattr(self.signals, f.name) for f in fields(self.signals)}
        return Parts(self.KIND, mine | theirs, {})

    @classmethod
    def from_parts(cls, parts: Parts) -> AnswerQuality:
        """The inverse of `parts`; raises `KeyError` where an array is missing."""
        arrays = {name: np.asarray(array, dtype=np.float64) for name, array in parts.arrays.items()}
        signals = AnswerSignals(**{f.name: arrays[f"signals.{f.name}"] for f in fields(AnswerSignals)})
        return cls(signals, arrays["task_weights"], arrays["route_weights"], arrays["signal_weights"])


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """What the models look at: `route` of shape (K, n), `signals` of shape (SIGNALS, K, n)."""

    route: FloatArray
    signals: FloatArray

    def at(self, rows: NDArray[np.int64]) -> Columns:
        """The same of some queries."""
        return Columns(self.route[:, rows], self.signals[:, :, rows])


def members(state: int) -> list[int]:
    """Positions of the tiers in a state, cheapest first."""
    return [k for k in range(state.bit_length()) if state >> k & 1]
