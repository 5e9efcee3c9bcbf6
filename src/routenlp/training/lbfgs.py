"""Limited-memory BFGS for millions of float32 weights (Nocedal & Wright 2006, algorithms 7.4 and 3.1).

scipy's L-BFGS-B works in float64 and handles bounds; on the weights of a tagger its own arithmetic costs more than
the likelihood does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from routenlp.types import Vectors

Loss = Callable[[Vectors], tuple[float, Vectors]]
"""Value and gradient at some weights."""

_CORRECTIONS = 6
_SUFFICIENT = 1e-4
_HALVINGS = 12
_IDLE_STEPS = 3
"""One is not enough: without a history, the first step is too short to gain much."""


def minimise(loss: Loss, weights: Vectors, *, max_steps: int, tolerance: float) -> Vectors:
    """Weights after at most `max_steps` steps, or when three steps in a row each gain under `tolerance` of the loss.

    `loss` is convex and differentiable; `weights`, float32 (n,), is where the search begins.
    """
    value, gradient = loss(weights)
    history: deque[tuple[Vectors, Vectors, float]] = deque(maxlen=_CORRECTIONS)
    idle = 0
    for _ in range(max_steps):
        direction = _direction(gradient, history)
        slope = float(direction @ gradient)
        length = 1.0 if history else 1.0 / max(float(np.linalg.norm(gradient)), 1e-12)
        for _halving in range(_HALVINGS):
            moved = weights + np.float32(length) * direction
            new_value, new_gradient = loss(moved)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length *= 0.5
        else:
            return weights
        change, turn = moved - weights, new_gradient - gradient
        curvature = float(change @ turn)
        if curvature > 0.0 and float(turn @ turn) > 0.0:  # small enough a turn has no square in float32
            history.append((change, turn, curvature))
        idle = idle + 1 if value - new_value <= tolerance * abs(value) else 0
        weights, value, gradient = moved, new_value, new_gradient
        if idle == _IDLE_STEPS:
            break
    return weights


def _direction(gradient: Vectors, history: deque[tuple[Vectors, Vectors, float]]) -> Vectors:
    """Minus the gradient, times the inverse curvature that the last steps showed (the two-loop recursion)."""
    direction = -gradient
    shares: list[float] = []
    for change, turn, curvature in reversed(history):
        share = float(change @ direction) / curvature
        direction -= np.float32(share) * turn
        shares.append(share)
    if history:
        _, turn, curvature = history[-1]
        direction *= np.float32(curvature / float(turn @ turn))
    for (change, turn, curvature), share in zip(history, reversed(shares), strict=True):
        direction += np.float32(share - float(turn @ direction) / curvature) * change
    return direction
