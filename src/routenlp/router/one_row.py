"""What estimators expect of one query: a few products for all of them together.

`Estimator.estimate` is written for thousands of rows. On a single one most of its time is numpy's handling of tiny
arrays, and quality and cost look at the same landmarks. Here all that they multiply a query's features by stands in one
matrix, with the landmarks that they share once. A product rounds a row alone and among others differently, so what
comes out agrees with `estimate` within `TOLERANCE`, not to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from routenlp.contracts import Estimator
from routenlp.router.landmarks import LandmarkEstimates
from routenlp.router.latency import LatencyEstimates
from routenlp.router.logistic import LogisticEstimates
from routenlp.router.ridge import TASK_SCALE, RidgeEstimates
from routenlp.router.stack import StackedEstimates
from routenlp.router.token_costs import TokenCosts
from routenlp.types import FloatArray, Vectors

TOLERANCE = 1e-5
"""Of an estimate, against that of `Estimator.estimate`; costs are in units of the top tier's."""

OneRow = Callable[[Vectors, int], list[list[float]]]
"""Of features of shape (d,) and the position of a task: K estimates of each estimator."""


def one_row(estimators: Sequence[Estimator]) -> OneRow:
    """Fused where all are stacks of the kinds in `_HEADS`, else one after the other. Threads may share it.

    Of costs from tokens and of latencies the stack inside takes part, and the rest follows from what it says.
    """
    found = _one_row([_inside(e) for e in estimators])
    outer = [(at, e) for at, e in enumerate(estimators) if isinstance(e, TokenCosts | LatencyEstimates)]
    if not outer:
        return found

    def estimate(features: Vectors, task: int) -> list[list[float]]:
        out = found(features, task)
        for at, e in outer:
            out[at] = e.of_row(out[at], features, task)
        return out

    return estimate


def _inside(estimator: Estimator) -> Estimator:
    if isinstance(estimator, TokenCosts):
        return estimator.written
    return estimator.moved if isinstance(estimator, LatencyEstimates) else estimator


def _one_row(estimators: Sequence[Estimator]) -> OneRow:
    stacks = [e for e in estimators if isinstance(e, StackedEstimates) and e.members and _all_have_heads(e)]
    if len(stacks) == len(estimators):
        return _Fused(stacks).estimate
    return lambda features, task: [e.estimate(features[None], np.array([task]))[0].tolist() for e in estimators]


def _all_have_heads(stack: StackedEstimates) -> bool:
    return all(type(member) in _HEADS for member in stack.members)


@dataclass(frozen=True, slots=True, eq=False)
class _Head:
    """Of each tier, inputs . weights_k + offset_k[task], kept within [low_k, high_k]: what every kind is.

    The logistic function of z is (1 + tanh(z / 2)) / 2: where `logistic`, weights and offset are of z / 2.
    """

    weights: FloatArray
    """Shape (inputs, K)."""
    offset: FloatArray
    """Shape (tasks, K)."""
    low: FloatArray
    high: FloatArray
    landmarks: LandmarkEstimates | None = None
    """Likenesses to its landmarks are the inputs; None: features are."""
    logistic: bool = False
    """Whether (1 + tanh) / 2 follows."""


def _of_logistic(model: LogisticEstimates) -> _Head:
    anything = np.full(model.weights.shape[1], np.inf)
    weights, offset = 0.5 * model.weights.astype(np.float64), 0.5 * model.task_weights
    return _Head(weights, offset, -anything, anything, logistic=True)


def _of_ridge(model: RidgeEstimates) -> _Head:
    of_task, of_feature = model.weights[: model.tasks], model.weights[model.tasks :]
    offset = model.mean - model.centre @ model.weights + TASK_SCALE * of_task
    return _Head(of_feature, offset, model.low, model.high)


def _of_landmarks(model: LandmarkEstimates) -> _Head:
    return _Head(model.weights, model.task_weights, model.low, model.high, landmarks=model)


_HEADS: Mapping[type, Callable[[Any], _Head]] = MappingProxyType(
    {LogisticEstimates: _of_logistic, RidgeEstimates: _of_ridge, LandmarkEstimates: _of_landmarks}
)


class _Fused:
    """Tiers of all heads stand side by side: those with a logistic function, ridge's, those on likenesses."""

    def __init__(self, stacks: Sequence[StackedEstimates]) -> None:
        placed = sorted(_placed(stacks), key=lambda p: (p.head.landmarks is not None, not p.head.logistic))
        heads = [p.head for p in placed]
        plain = [head.weights.T for head in heads if head.landmarks is None]
        self._plain = sum(map(len, plain))
        self._logistic = sum(len(head.low) for head in heads if head.logistic)
        models = _distinct([head.landmarks for head in heads if head.landmarks is not None])
        rows = np.concatenate([*plain, *(model.sharpness * model.landmarks for model in models)])
        self._rows = np.asfortranarray(rows, dtype=np.float32)  # a product runs faster along the longer side
        self._to_heads = _to_heads(heads, models, self._plain)
        offset = np.concatenate([head.offset for head in heads], axis=1)
        self._offset, self._shares = [*offset.astype(np.float32)], [*_shares(models, len(offset))]
        self._low, self._high = (
            np.concatenate([getattr(h, end) for h in heads]).astype(np.float32) for end in ("low", "high")
        )
        scale = np.concatenate([np.full(len(h.low), 0.5 if h.logistic else 1.0) for h in heads])
        weights = np.concatenate([p.weights for p in placed], axis=1)
        self._weights = (weights * scale).astype(np.float32)
        self._constant = (weights * (1.0 - scale)).sum(axis=1).astype(np.float32)
        ends = np.cumsum([len(stack.learned) for stack in stacks]).tolist()
        self._finish = [_Finish(s, slice(end - len(s.learned), end)) for s, end in zip(stacks, ends, strict=True)]

    def estimate(self, features: Vectors, task: int) -> list[list[float]]:
        """A `OneRow`."""
        inputs = self._rows.dot(features)
        near = inputs[self._plain :]
        near /= math.sqrt(features.dot(features)) or 1.0
        np.exp(near, out=near)
        near *= self._shares[task]
        found = self._to_heads.dot(inputs)
        found += self._offset[task]
        logistic = found[: self._logistic]
        np.tanh(logistic, out=logistic)
        np.maximum(found, self._low, out=found)
        np.minimum(found, self._high, out=found)
        blends = self._weights.dot(found)
        blends += self._constant
        of_all = blends.tolist()
        return [finish(of_all, task) for finish in self._finish]


class _Finish:
    """From the blends of all stacks to the estimates of one."""

    def __init__(self, stack: StackedEstimates, mine: slice) -> None:
        """`mine`: of the blends."""
        self._mine = mine
        self._maps = stack.maps
        self._mean: list[float] = stack.mean.tolist()
        self._learned: list[int] = stack.learned.tolist()
        self._all_learned = self._learned == list(range(len(self._mean)))

    def __call__(self, blends: list[float], task: int) -> list[float]:
        """K estimates."""
        blend = blends[self._mine]
        mapped = blend if self._maps is None else self._maps.of_one(blend, task)
        if self._all_learned:
            return mapped
        out = self._mean.copy()
        for k, value in zip(self._learned, mapped, strict=True):
            out[k] = value
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A member of a stack."""

    head: _Head
    weights: FloatArray
    """Of each of its tiers in each blend of all stacks, shape (blends, K)."""


def _placed(stacks: Sequence[StackedEstimates]) -> Iterator[_Placed]:
    begin, blends = 0, sum(len(stack.learned) for stack in stacks)
    for stack in stacks:
        for weights, member in zip(stack.weights, stack.members, strict=True):
            in_blends = np.zeros((blends, len(weights)))
            np.fill_diagonal(in_blends[begin:], weights)
            yield _Placed(_HEADS[type(member)](member), in_blends)
        begin += len(stack.learned)


def _distinct(models: Sequence[LandmarkEstimates]) -> list[LandmarkEstimates]:
    """Of those that look alike, the first."""
    return [m for at, m in enumerate(models) if not any(m.looks_as(earlier) for earlier in models[:at])]


def _shares(models: Sequence[LandmarkEstimates], tasks: int) -> Vectors:
    """By task and landmark, what exp(sharpness cosine) counts: by e^-sharpness and the share of the task."""
    each = [m.task_shares * np.float32(math.exp(-m.sharpness)) for m in models]
    return np.concatenate([np.empty((tasks, 0), dtype=np.float32), *each], axis=1)


def _to_heads(heads: Sequence[_Head], models: Sequence[LandmarkEstimates], plain: int) -> Vectors:
    """Shape (tiers of all heads, plain + landmarks): plain heads take their products as they are, others likenesses."""
    near = [(head, head.landmarks) for head in heads if head.landmarks is not None]
    each = [
        [h.weights.T if own.looks_as(m) else np.zeros((len(h.low), len(m.landmarks))) for m in models]
        for h, own in near
    ]
    weights = np.block(each) if near else np.empty((0, 0))
    out = np.zeros((plain + weights.shape[0], plain + weights.shape[1]), dtype=np.float32)
    np.fill_diagonal(out[:plain, :plain], 1.0)
    out[plain:, plain:] = weights
    return out
