"""About 30 policies of rising boldness, fixed on the training fold: what certification walks along.

Boldness is a path through the two knobs of the continuation rule: from always-top, the margin falls as the price rises.
Along the path, replayed on held-out estimates of the training rows, a policy is taken wherever the cost has fallen by
another `STEP` of always-top's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from routenlp.cascade.continuation import ALWAYS_TOP, Boldness, Reach
from routenlp.cascade.estimates import Columns, Evidence
from routenlp.replay.backtest.continuation import reachable, replay
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.training.continuation import FittedContinuation, TrainingRows, fit_continuation_rule
from routenlp.types import FloatArray

STEP = 0.02
MOST_POLICIES = 60
PRICES = np.geomspace(1e-3, 30.0, 150)
MARGIN_FALL = 0.005
"""margin = this / price: at the price where a policy pays off, some 0.3, a small preference for the top tier is left."""


@dataclass(eq=False)
class ContinuationLadder:
    """A `Ladder` of continuation rules over one set of estimates."""

    name: str
    fitted: FittedContinuation
    policies: tuple[Boldness, ...]
    reach: Reach
    _last: tuple[Rows, FloatArray] | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Number of policies, always-top among them."""
        return len(self.policies)

    def run(self, rows: Rows, step: int) -> Run:
        """Policy number `step`; 0 is always-top."""
        relative_cost = self.fitted.relative_cost[rows.task]
        return replay(self.predicted(rows), relative_cost, self.policies[step], self.reach)

    def predicted(self, rows: Rows) -> FloatArray:
        """q_k(x, S), shape (states, n, K). Those of the last rows asked about are kept, for policies run in turn."""
        if self._last is None or self._last[0] is not rows:
            self._last = (rows, self._predict(rows))
        return self._last[1]

    def _predict(self, rows: Rows) -> FloatArray:
        expected = self.fitted.router.estimate(rows.features, rows.task)
        evidence = Evidence(rows.task, expected, rows.confidence, rows.answer_length)
        columns: Columns = self.fitted.quality.columns(evidence)
        tiers = len(rows.tiers)
        out = np.zeros((2**tiers, rows.n, tiers))
        for state in range(2**tiers):
            if reachable(state, self.reach):
                out[state] = self.fitted.quality.predict(evidence, state, columns)
        return out


def fit_continuation(train: Rows, seed: int, reach: Reach = Reach.DEARER) -> ContinuationLadder:
    """Estimates and ladder from the training fold alone. Raises `TrainingError` where it is too small."""
    fitted = fit_continuation_rule(_training_rows(train), seed=seed)
    return ladder_of(fitted, train, reach)


def ladder_of(fitted: FittedContinuation, train: Rows, reach: Reach) -> ContinuationLadder:
    """The ladder alone, for estimates already fitted on the same rows."""
    name = "routenlp" if reach is Reach.DEARER else f"routenlp:{reach.value}"
    return ContinuationLadder(name, fitted, _policies(fitted, train, reach), reach)


def _policies(fitted: FittedContinuation, train: Rows, reach: Reach) -> tuple[Boldness, ...]:
    relative_cost = fitted.relative_cost[train.task]
    always_top = float(train.cost_usd[:, -1].sum())
    chosen, last = [ALWAYS_TOP], 1.0
    for boldness in path():
        cost = float(replay(fitted.held_out, relative_cost, boldness, reach).cost_usd(train).sum()) / always_top
        if cost <= last - STEP:
            chosen.append(boldness)
            last = cost
    return tuple(chosen[:MOST_POLICIES])


def path() -> tuple[Boldness, ...]:
    """Rising price, falling margin."""
    return tuple(Boldness(float(price), float(MARGIN_FALL / price)) for price in PRICES)


def _training_rows(rows: Rows) -> TrainingRows:
    return TrainingRows(
        tasks=len(rows.task_names),
        task=rows.task,
        features=rows.features,
        quality=rows.quality,
        cost_usd=rows.cost_usd,
        confidence=rows.confidence,
        length=rows.answer_length,
        groups=rows.groups,
    )
