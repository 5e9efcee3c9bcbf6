"""routenlp answers each NLP or LLM query at the least cost that keeps its task's quality floor.

A query runs through a policy by a machine that does no I/O:

    ask = start(policy, query)
    while isinstance(ask, Ask):
        ask = advance(policy, ask, backend_of(ask.tier).answer(ask.query))
    trace = ask.trace

Importing this package loads numpy and nothing heavier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from routenlp.cascade.machine import Ask, Done, advance, start
from routenlp.cascade.policy import Policy
from routenlp.errors import RouteNlpError
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.types import Answer, Call, Query, Route, Step, Stop, Task, Trace

if TYPE_CHECKING:
    from routenlp.replay.backtest.result import Backtest

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Ask",
    "Call",
    "Done",
    "Policy",
    "Portfolio",
    "Price",
    "Query",
    "Route",
    "RouteNlpError",
    "Step",
    "Stop",
    "Task",
    "Tier",
    "Trace",
    "__version__",
    "advance",
    "backtest",
    "start",
]


def backtest(
    outcomes: str | Path | object,
    *,
    tiers: Sequence[str] | None = None,
    eps: float = 0.03,
    alpha: float = 0.05,
    delta: float = 0.10,
    guarantee: Literal["quality_ratio", "joint", "conditional", "paper"] = "quality_ratio",
    repeats: int = 20,
    seed: int = 0,
    handled_at: float | None = None,
    costs: Mapping[str, float] | None = None,
    prices: str | Path | Mapping[str, object] | None = None,
    task_column: str | None = None,
    split_column: str | None = None,
    calibrate_most: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """What routing would have saved on recorded outcomes, what of it is proved, and what baselines would have done.

    `outcomes`: a file, a frame, or a dict of columns, with a row for each query and model (docs/outcomes.md). `tiers`:
    models, cheapest first; the last is what all is compared with. None: the efficient ones, by the training fold.
    `guarantee`: the rule that decides (docs/guarantees.md); `eps` is the quality that `quality_ratio` may lose, `alpha`
    the target of the others, `delta` the allowed chance that calibration was unlucky. `repeats`: random splits.
    `handled_at`: an answer of lower quality has failed; None: 1.0 where every quality is 0 or 1, else 0.5. `costs`: USD
    per query by model; `prices`: a YAML file of prices, or a mapping. `calibrate_most`: calibration queries to use at
    most. `progress(done, total)` is told after each split.

    The same outcomes and seed give the same result but for `seconds`. Needs the extra `calibrate`, for parquet
    `backtest`. Raises `DataError` and `SettingsError`, which name what is wrong and what to do.
    """
    from routenlp.replay.backtest.run import backtest as run

    return run(
        outcomes,
        tiers=tiers,
        eps=eps,
        alpha=alpha,
        delta=delta,
        guarantee=guarantee,
        repeats=repeats,
        seed=seed,
        handled_at=handled_at,
        costs=costs,
        prices=prices,
        task_column=task_column,
        split_column=split_column,
        calibrate_most=calibrate_most,
        progress=progress,
    )
