"""The paper's main table on the six tasks: the systems that it compares, and routenlp's continuation rule.

Every system is fitted on the same rows (what students say of training rows that they had not seen), gets the same
features, confidences and lengths, is tuned on the calibration rows (its cheapest policy that keeps the target there),
and is replayed on the test rows. Latencies are those of the tiers called, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.errors import TrainingError
from routenlp.replay.backtest.baselines.always import always
from routenlp.replay.backtest.baselines.registry import BASELINES
from routenlp.replay.backtest.certify import cheapest_step, replay_all
from routenlp.replay.backtest.reaches import Reaches, compare_reaches
from routenlp.replay.backtest.rows import Ladder, Rows, Run
from routenlp.replay.intervals import RatioDraws, RowRatio, holm, mcnemar, paired_bootstrap
from routenlp.replay.recorded import Recorded
from routenlp.replay.task_policies import TaskPolicies
from routenlp.types import FloatArray

OURS = "routenlp"
RIVALS = ("random_mix", "frugalgpt", "hybrid_llm", "routellm_mf", "automix", "cascade_routing")
"""Those of the paper's table, and the strongest of the others."""


@dataclass(frozen=True, slots=True, eq=False)
class RivalRun:
    """One system on one task's test rows."""

    quality: FloatArray
    cost_usd: FloatArray
    latency_s: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """All systems on one task."""

    runs: Mapping[str, RivalRun]
    missing: Mapping[str, str]
    """Systems that could not be fitted, and why."""
    quality_ratio: RatioDraws
    cost_ratio: RatioDraws
    mcnemar: Mapping[str, float]
    """By system, the exact p-value that it handles as many of the rows as routenlp."""
    reaches: Reaches
    """What routenlp's freedom to call any dearer tier at any time is worth on these rows."""
    sla_s: float


def compare(
    ours: TaskPolicies, test: Rows, recorded: Recorded, *, sla_s: float, seed: int, advance: Callable[[int, int], None]
) -> Compared:
    """Fit, tune and replay every system on the rows of `ours`. `test`: the rows of `recorded`."""
    runs: dict[str, RivalRun] = {}
    missing: dict[str, str] = {}
    fits: dict[str, Callable[[], Ladder]] = {name: _fit(name, ours, seed) for name in (OURS, *RIVALS)}
    for done, (name, fit) in enumerate(fits.items(), 1):
        try:
            ladder = fit()
        except TrainingError as exc:
            missing[name] = exc.problem
            continue
        step = cheapest_step(replay_all(ladder, ours.calibrate), ours.target)
        runs[name] = _run(ladder.run(test, step), test, recorded)
        advance(done, len(fits))
    for single in always(test.tiers):
        runs[single.name] = _run(single.run(test, single.size - 1), test, recorded)
    reaches = compare_reaches(ours.ladder.fitted, ours.train, test, eps=ours.target.eps, seed=seed)
    return _measured(runs, missing, recorded, reaches, sla_s, seed)


def _fit(name: str, ours: TaskPolicies, seed: int) -> Callable[[], Ladder]:
    if name == OURS:
        return lambda: ours.ladder
    return lambda: BASELINES[name](ours.train, seed=seed)


def _run(run: Run, rows: Rows, recorded: Recorded) -> RivalRun:
    return RivalRun(run.quality(rows), run.cost_usd(rows), np.asarray((recorded.latency_s * run.called).sum(axis=1)))


def _measured(
    runs: Mapping[str, RivalRun],
    missing: Mapping[str, str],
    recorded: Recorded,
    reaches: Reaches,
    sla_s: float,
    seed: int,
) -> Compared:
    top_quality, top_cost = recorded.quality[:, -1], recorded.cost_usd[:, -1]
    quality = {name: RowRatio(run.quality, top_quality) for name, run in runs.items()}
    cost = {name: RowRatio(run.cost_usd, top_cost) for name, run in runs.items()}
    return Compared(
        runs,
        missing,
        paired_bootstrap(quality, recorded.groups, seed=seed),
        paired_bootstrap(cost, recorded.groups, seed=seed),
        _mcnemar(runs, recorded.handled_at),
        reaches,
        sla_s,
    )


def _mcnemar(runs: Mapping[str, RivalRun], handled_at: float) -> dict[str, float]:
    ours = runs[OURS].quality >= handled_at
    return {
        name: mcnemar(int((ours & ~other).sum()), int((other & ~ours).sum()))
        for name, run in runs.items()
        if name != OURS
        for other in [run.quality >= handled_at]
    }


def adjusted(tasks: Mapping[str, Compared], system: str) -> dict[str, float]:
    """By task, McNemar's p-value of `system` against routenlp, by Holm over the tasks."""
    return holm({name: task.mcnemar[system] for name, task in tasks.items() if system in task.mcnemar})


def systems_of(tasks: Sequence[Compared]) -> list[str]:
    """Systems that could be fitted on every task, in the order of the table: single tiers first, ours last."""
    everywhere = [name for name in tasks[0].runs if all(name in task.runs for task in tasks)]
    singles = [name for name in everywhere if name not in RIVALS and name != OURS]
    return [*singles, *(name for name in everywhere if name in RIVALS), OURS]
