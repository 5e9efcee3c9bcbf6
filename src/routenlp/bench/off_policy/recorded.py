"""Off-policy estimates on recorded outcomes, where every tier's answer to every query is known, against the truth.

Half of the queries train the routers. From the other half, logs are drawn with replacement, each query with one tier by
an exploring router; another router is evaluated on each log, and its truth is its replay on that half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.off_policy.run import FIGURES
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.folds import fraction
from routenlp.replay.off_policy.evaluation import evaluate
from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.replay.off_policy.regression import Expected, by_estimator
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.training.ridge_fit import fit_ridge
from routenlp.types import FloatArray

LOGGED_PRICE = 0.3
"""Of cost over always-top's, in quality units: what the router that logs weighs by."""
NEW_PRICE = 0.05
"""Of the router that is judged: it buys quality more readily."""


@dataclass(frozen=True, slots=True, eq=False)
class Half:
    """The queries that are logged, and what the routers make of them."""

    rows: Rows
    estimates: FloatArray
    """Expected quality, shape (n, K), by a router that was trained on the other half."""
    propensity: FloatArray
    target: FloatArray


@dataclass(frozen=True, slots=True)
class Against:
    """One figure over many logs of one size, against the truth."""

    figure: str
    regression: str
    n: int
    epsilon: float
    logs: int
    given: int
    covered: int
    truth: float
    mean: float
    """Of the estimates."""
    root_mean_square_error: float
    width: float | None


def halve(table: OutcomeTable, tiers: Sequence[str], *, epsilon: float, seed: int = 0) -> Half:
    """Trains on one half, by a hash of the group, and routes the other."""
    at = np.array([fraction("", group, salt=f"off-policy/{seed}") for group in table.groups])
    train, rest = np.flatnonzero(at < 0.5), np.flatnonzero(at >= 0.5)
    rows = make_rows(table, tiers, fit_features(table, train, count_table(table), seed=seed))
    seen, new = take(rows, train), take(rows, rest)
    none, one = np.zeros(len(tiers)), np.ones(len(tiers))
    fitted = fit_ridge(
        seen.features,
        seen.task,
        seen.quality,
        seen.groups,
        tasks=len(rows.task_names),
        seed=seed,
        low=none,
        high=one,
    )
    estimates = fitted.model.estimate(new.features, new.task)
    relative = new.cost_usd / new.cost_usd[:, -1:].mean()
    choice, target = (_worth_most(estimates - price * relative) for price in (LOGGED_PRICE, NEW_PRICE))
    return Half(new, estimates, (1.0 - epsilon) * choice + epsilon / len(tiers), target)


def true_figures(half: Half) -> dict[str, float]:
    """By full replay."""
    rows = half.rows
    quality, cost = ((outcome * half.target).sum(axis=1).mean() for outcome in (rows.quality, rows.cost_usd))
    return {
        "quality": float(quality),
        "quality_ratio": float(quality / rows.quality[:, -1].mean()),
        "savings": float(1.0 - cost / rows.cost_usd[:, -1].mean()),
    }


def draw_log(half: Half, n: int, *, seed: int) -> tuple[LoggedQueries, NDArray[np.int64]]:
    """n queries drawn with replacement, each with one tier; and which rows they are."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, half.rows.n, size=n)
    chances = half.propensity[rows]
    action = np.minimum((chances.cumsum(axis=1) <= rng.uniform(size=(n, 1))).sum(axis=1), chances.shape[1] - 1)
    logged = LoggedQueries(
        half.rows.tiers,
        half.rows.task[rows],
        action,
        chances,
        half.rows.quality[rows, action],
        half.rows.cost_usd[rows, action],
        half.rows.groups[rows],
        estimates=half.estimates[rows],
        features=half.rows.features[rows],
    )
    return logged, rows


def against_truth(
    half: Half, *, n: int, epsilon: float, logs: int, by: str = "estimates", seed: int = 0
) -> tuple[Against, ...]:
    """Every figure. `by`: `estimates` fits a ridge on the router's estimates, `features` one on the features."""
    reports = []
    for i in range(logs):
        logged, rows = draw_log(half, n, seed=seed + i)
        expected: Expected | None = by_estimator(logged, fit_ridge, seed=seed) if by == "features" else None
        reports.append(evaluate(logged, half.target[rows], expected=expected))
    out = []
    for name, true in true_figures(half).items():
        found = [FIGURES[name](report) for report in reports]
        bounds = [(one.low, one.high) for one in found if one.low is not None and one.high is not None]
        estimates = np.array([one.estimate for one in found], dtype=np.float64)
        out.append(
            Against(
                name,
                by,
                n,
                epsilon,
                logs=logs,
                given=len(bounds),
                covered=sum(low <= true <= high for low, high in bounds),
                truth=true,
                mean=float(estimates.mean()),
                root_mean_square_error=float(np.sqrt(((estimates - true) ** 2).mean())),
                width=float(np.mean([high - low for low, high in bounds])) if bounds else None,
            )
        )
    return tuple(out)


def _worth_most(worth: FloatArray) -> FloatArray:
    return np.asarray(np.eye(worth.shape[1])[worth.argmax(axis=1)])
