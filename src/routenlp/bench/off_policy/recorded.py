"""Off-policy estimates on recorded outcomes, where every tier's answer to every query is known, against the truth.

Half of the queries train the routers. From the other half, logs are drawn with replacement, each query with one tier by
an exploring router; another router is evaluated on each log, and its truth is its replay on that half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.off_policy.run import FIGURES
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.folds import fraction
from routenlp.replay.intervals import Interval
from routenlp.replay.off_policy.evaluation import evaluate
from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.training.ridge_fit import fit_ridge
from routenlp.types import FloatArray

LOGGED_PRICE = 0.3
"""Of cost over always-top's, in quality units: what the router that logs weighs by."""
NEW_PRICE = 0.05
"""Of the router that is judged: it buys quality more readily."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, its tiers, cheapest first, and whether `prices.yaml` prices it."""

    name: str
    tiers: tuple[str, ...]
    priced: bool


RECORDINGS = (
    Recording(
        "ulab_llmrouter_9", ("llama-3.1-8b-instruct", "gemma-2-9b-it", "llama-3.1-nemotron-51b-instruct"), priced=True
    ),
    Recording(
        "mmlupro_cot_responses",
        ("Phi-3-mini-4k-instruct", "gemini-1.5-flash-002", "gemini-1.5-pro-002"),
        priced=False,
    ),
)
"""One with a price a query for each tier, one in which costs vary from query to query."""
SIZES = ((1_000, 0.1), (1_000, 0.2), (3_000, 0.1), (3_000, 0.2))
"""Queries logged, and epsilon."""
LOGS = 200


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

    recording: str
    figure: str
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
    )
    return logged, rows


def against_truth(
    half: Half, recording: str, *, n: int, epsilon: float, logs: int = LOGS, seed: int = 0
) -> tuple[Against, ...]:
    """Every figure, over this many logs."""
    reports = []
    for i in range(logs):
        logged, rows = draw_log(half, n, seed=seed + i)
        reports.append(evaluate(logged, half.target[rows]))
    truth = true_figures(half)
    found = {name: [figure(report) for report in reports] for name, figure in FIGURES.items()}
    return tuple(_against(found[name], truth[name], recording, name, n, epsilon) for name in FIGURES)


def run(folder: Path, *, logs: int = LOGS, seed: int = 0) -> tuple[Against, ...]:
    """Every recording at every size."""
    out: list[Against] = []
    for recording in RECORDINGS:
        prices = folder / "prices.yaml" if recording.priced else None
        table = read_outcomes(folder / f"{recording.name}.parquet", prices=prices)
        for n, epsilon in SIZES:
            half = halve(table, recording.tiers, epsilon=epsilon, seed=seed)
            out.extend(against_truth(half, recording.name, n=n, epsilon=epsilon, logs=logs, seed=seed))
    return tuple(out)


def as_lines(found: Sequence[Against]) -> tuple[str, ...]:
    """A table in Markdown: the same figures as `docs/decisions/off_policy.md`."""
    head = "| recording | logged | epsilon | figure | truth | mean estimate | RMSE | mean width | covered |"
    rows = [
        f"| {one.recording} | {one.n:,} | {one.epsilon:g} | {one.figure} | {one.truth:.3f} | {one.mean:.3f} | "
        f"{one.root_mean_square_error:.3f} | {'none' if one.width is None else format(one.width, '.3f')} | "
        f"{one.covered} of {one.given} |"
        for one in found
    ]
    return (head, f"|{' --- |' * 9}", *rows)


def _against(found: Sequence[Interval], truth: float, recording: str, figure: str, n: int, epsilon: float) -> Against:
    bounds = [(one.low, one.high) for one in found if one.low is not None and one.high is not None]
    estimates = np.array([one.estimate for one in found], dtype=np.float64)
    return Against(
        recording,
        figure,
        n,
        epsilon,
        logs=len(found),
        given=len(bounds),
        covered=sum(low <= truth <= high for low, high in bounds),
        truth=truth,
        mean=float(estimates.mean()),
        root_mean_square_error=float(np.sqrt(((estimates - truth) ** 2).mean())),
        width=float(np.mean([high - low for low, high in bounds])) if bounds else None,
    )


def _worth_most(worth: FloatArray) -> FloatArray:
    return np.asarray(np.eye(worth.shape[1])[worth.argmax(axis=1)])
