"""What an exploring policy logged of each query, checked: without a propensity nothing can be concluded from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from routenlp.errors import DataError, MissingData
from routenlp.types import FloatArray, Vectors

SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class LoggedQueries:
    """n queries, each with one of K actions, drawn with known probabilities, and what came of it.

    An action is what the router decides: the first tier. What follows it, the stop rule with its escalations, belongs
    to the action: `quality` is that of the answer returned and `cost_usd` the sum over all tiers called. A log
    therefore judges other routers *in front of the same stop rule*; another stop rule is another set of actions.

    Raises `DataError` on being made, naming field and row, for anything that cannot be: a missing or impossible
    propensity, NaN, a shape that does not fit. Nothing is filled in.
    """

    actions: tuple[str, ...]
    """Names of the K actions, cheapest first; the last is always-top, which savings are compared with."""
    task: NDArray[np.int64]
    """Position of each query's task, shape (n,)."""
    action: NDArray[np.int64]
    """Position of the action taken, shape (n,)."""
    propensity: FloatArray
    """Shape (n, K): how likely each action was, as logged before the draw. Rows sum to 1; that of the action taken is
    over 0. All actions are asked for, not only the one taken: else nobody could say which had no chance."""
    quality: FloatArray
    """Of the answer returned, in [0, 1], shape (n,)."""
    cost_usd: FloatArray
    """Of all tiers called, 0 or more, shape (n,)."""
    groups: NDArray[np.int64]
    """Of each query, shape (n,): those of one conversation or document share a number."""
    top_cost_usd: FloatArray | None = None
    """What always-top would have cost on each query, shape (n,), where prices say so; None: estimated from the log."""
    estimates: FloatArray | None = None
    """Quality expected of each action before the draw, shape (n, K), such as the router's; None: there are none."""
    features: Vectors | None = None
    """Of each query, shape (n, d), for estimators that are fitted on the log; None: there are none."""

    def __post_init__(self) -> None:
        """Checks every field."""
        if self.n == 0:
            raise MissingData("logged", "holds no query", "Log traffic with an exploring router first")
        if len(self.actions) < 2:
            raise DataError("logged.actions", f"are {list(self.actions)}", "Name two or more, the top tier last")
        _check_shapes(self)
        _check_values(self)

    @property
    def n(self) -> int:
        """Number of queries."""
        return len(self.action)

    @property
    def tasks(self) -> int:
        """Number of tasks: the positions there can be."""
        return int(self.task.max()) + 1

    @property
    def taken(self) -> FloatArray:
        """Propensity of the action taken, shape (n,)."""
        return np.asarray(self.propensity[np.arange(self.n), self.action])

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> LoggedQueries:
        """Some of the queries, such as those of one task."""
        return LoggedQueries(
            self.actions,
            self.task[rows],
            self.action[rows],
            self.propensity[rows],
            self.quality[rows],
            self.cost_usd[rows],
            self.groups[rows],
            None if self.top_cost_usd is None else self.top_cost_usd[rows],
            None if self.estimates is None else self.estimates[rows],
            None if self.features is None else self.features[rows],
        )


def as_target(target: ArrayLike, logged: LoggedQueries) -> FloatArray:
    """Action probabilities of a policy, shape (n, K), from such a matrix or from the actions it chooses, shape (n,).

    Raises `DataError` for another shape, an action that there is not, and rows that are no probabilities.
    """
    given = np.asarray(target)
    n, tiers = logged.n, len(logged.actions)
    if given.shape == (n,) and given.dtype.kind in "iu":
        _refuse("target", (given < 0) | (given >= tiers), given, f"Give positions from 0 to {tiers - 1}")
        return np.asarray(np.eye(tiers)[given])
    if given.shape != (n, tiers):
        problem = f"has shape {given.shape}"
        raise DataError("target", problem, f"Give probabilities of shape {(n, tiers)}, or integer positions {(n,)}")
    chances = np.asarray(given, dtype=np.float64)
    _check_distributions("target", chances)
    return chances


def _check_shapes(logged: LoggedQueries) -> None:
    n, tiers = logged.n, len(logged.actions)
    shapes = {
        "task": (n,),
        "propensity": (n, tiers),
        "quality": (n,),
        "cost_usd": (n,),
        "groups": (n,),
        "top_cost_usd": (n,),
        "estimates": (n, tiers),
    }
    for name, shape in shapes.items():
        found = getattr(logged, name)
        if found is not None and found.shape != shape:
            raise DataError(f"logged.{name}", f"has shape {found.shape}", f"Give {shape}: a row for each query")
    if logged.features is not None and logged.features.shape[:1] != (n,):
        raise DataError("logged.features", f"has shape {logged.features.shape}", f"Give {n} rows")


def _check_values(logged: LoggedQueries) -> None:
    tiers = len(logged.actions)
    outside = (logged.action < 0) | (logged.action >= tiers)
    _refuse("logged.action", outside, logged.action, f"Give positions from 0 to {tiers - 1}")
    _refuse("logged.task", logged.task < 0, logged.task, "Give positions from 0")
    _check_distributions("logged.propensity", logged.propensity)
    never = ~(logged.taken > 0.0)
    _refuse("logged.propensity", never, logged.taken, "The action taken must have been possible: see what was logged")
    for name, high in (("quality", 1.0), ("cost_usd", np.inf), ("top_cost_usd", np.inf), ("estimates", 1.0)):
        values = getattr(logged, name)
        if values is not None:
            wrong = ~(np.isfinite(values) & (values >= 0.0) & (values <= high))
            _refuse(f"logged.{name}", wrong, values, "Leave out queries that lack it only if chance alone decides so")


def _check_distributions(name: str, chances: FloatArray) -> None:
    remedy = "Log the probability of every action before the draw; a missing one is never taken as 1"
    _refuse(name, ~((chances >= 0.0) & (chances <= 1.0 + SUM_TOLERANCE)), chances, remedy)
    sums = chances.sum(axis=1)
    _refuse(f"{name}, summed over actions,", np.abs(sums - 1.0) > SUM_TOLERANCE, sums, remedy)


def _refuse(name: str, wrong: NDArray[np.bool_], values: NDArray[np.generic], remedy: str) -> None:
    if wrong.any():
        rows = wrong if wrong.ndim == 1 else wrong.any(axis=1)
        first = int(np.argmax(rows))
        raise DataError(name, f"is {values[first]} in row {first}, and wrong in {int(rows.sum()):,} rows", remedy)
