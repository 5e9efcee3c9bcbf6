"""What the generation tasks are held to, and at which eps a task with few calibration rows can be certified at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from routenlp.bench.six_tasks.measures import Measures
from routenlp.bench.six_tasks.run import Result
from routenlp.bench.six_tasks.systems import CERTIFIED, ROUTENLP
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.conformal.verdict import Status
from routenlp.replay.answered import rows_of
from routenlp.replay.backtest.certify import Target, labels_still_needed, replay_all, units_of
from routenlp.replay.task_policies import TaskPolicies, prove
from routenlp.router.reading import reading

COST, QUALITY = 0.60, 0.97
EPS = (0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.10, 0.12, 0.15, 0.20, 0.25, 0.30)


@dataclass(frozen=True, slots=True)
class AtEps:
    """What is proved of a task at one eps."""

    eps: float
    status: Status
    calibration_cost: float
    """Of the proved policy over always-top, on the calibration rows; 1 where nothing is proved."""
    test_quality: float
    test_cost: float
    labels_needed: int | None
    """Beyond the calibration rows, until the cheapest policy under `COST` would likely be proved at this eps."""


def sweep(result: Result, task: str, *, seed: int) -> list[AtEps]:
    """The same ladder and rows at every eps of `EPS`."""
    ours, tested = result.prepared.calibrated.policies[task], result.recorded[task]
    frame = result.prepared.frame
    queries = [result.examples[i].query for i in tested.ids]
    texts = [reading(query) for query in queries]
    test = rows_of(tested, frame.surface.beside(frame.encoder.encode(texts), texts))
    on_test = replay_all(ours.ladder, test)
    out = []
    for eps in EPS:
        target = replace(ours.target, eps=eps)
        proved = prove(ours.ladder, ours.train, ours.calibrate, target, seed=seed)
        step = proved.proved(Status.CERTIFIED)
        out.append(
            AtEps(
                eps,
                proved.certified.status,
                float(proved.calibrated.cost_ratio[step]),
                float(on_test.quality_ratio[step]),
                float(on_test.cost_ratio[step]),
                _labels_needed(proved, target, seed),
            )
        )
    return out


def _labels_needed(proved: TaskPolicies, target: Target, seed: int) -> int | None:
    """For the best policy within `COST` by the calibration rows."""
    replays = proved.calibrated
    within = replays.cost_ratio <= COST
    if not within.any():
        return None
    best = int(np.where(within, replays.quality_ratio, -np.inf).argmax())
    return labels_still_needed(replays, best, target, units_of(proved.train, proved.calibrate, seed=seed))


def smallest(found: list[AtEps]) -> AtEps | None:
    """The smallest eps at which a policy within `COST` is certified."""
    return next((at for at in found if at.status is Status.CERTIFIED and at.test_cost <= COST), None)


def sweep_table(task: str, found: list[AtEps]) -> Table:
    """A row an eps."""
    rows = tuple(
        (
            f"{at.eps:g}",
            str(at.status).upper(),
            f"{at.calibration_cost:.3f}",
            f"{at.test_quality:.3f}",
            f"{at.test_cost:.3f}",
            "never by these rows" if at.labels_needed is None else f"{at.labels_needed:,}",
        )
        for at in found
    )
    heads = (
        "eps",
        "status",
        "cost ratio there",
        "quality ratio on test",
        "cost ratio on test",
        f"labels still needed for a cost ratio of {COST:g}",
    )
    return Table(f"{task}: what can be certified, by eps", heads, rows)


def target_table(result: Result, found: Mapping[str, list[AtEps]]) -> Table:
    """The targets of the generation tasks, and what was reached."""
    rows = []
    for task, measures in result.tasks.items():
        by_system = {m.system: m for m in measures.rows}
        status = result.prepared.calibrated.policies[task].certified.status
        least = smallest(found[task])
        rows.append(
            (
                task,
                *_cells(by_system[ROUTENLP]),
                str(status).upper(),
                *_cells(by_system[CERTIFIED]),
                "none of those tried" if least is None else f"{least.eps:g}",
            )
        )
    heads = (
        "task",
        "EMPIRICAL point: quality ratio",
        "cost ratio",
        "certified at eps 0.03",
        "quality ratio",
        "cost ratio",
        f"smallest eps certified within a cost ratio of {COST:g}",
    )
    return Table(
        f"Generation: a cost ratio of at most {COST:g} at a quality ratio of {QUALITY:g} (paper: 0.53-0.60 at 0.96)",
        heads,
        tuple(rows),
    )


def _cells(m: Measures) -> tuple[str, str]:
    return interval(m.quality_ratio), interval(m.cost_ratio)


def checks(result: Result, found: Mapping[str, list[AtEps]]) -> list[dict[str, object]]:
    """cs_response certified, fin_summarisation as an EMPIRICAL point, and at the smallest eps that certifies."""
    out: list[dict[str, object]] = []
    for task, measures in result.tasks.items():
        by_system = {m.system: m for m in measures.rows}
        point = by_system[ROUTENLP]
        out.append(_under(f"cost ratio of {task}, EMPIRICAL point", point.cost_ratio.estimate))
        out.append(_over(f"quality ratio of {task}, EMPIRICAL point", point.quality_ratio.estimate))
        if task == "cs_response":
            out.append(_under(f"cost ratio of {task}, certified", by_system[CERTIFIED].cost_ratio.estimate))
            out.append(_over(f"quality ratio of {task}, certified", by_system[CERTIFIED].quality_ratio.estimate))
        else:
            least = smallest(found[task])
            name = f"smallest eps of {task} that certifies a cost ratio of {COST:g}"
            out.append(
                {"name": name, "value": None if least is None else least.eps, "target": 0.3, "holds": least is not None}
            )
    return out


def _under(name: str, value: float | None) -> dict[str, object]:
    return {"name": name, "value": value, "target": COST, "holds": value is not None and value <= COST}


def _over(name: str, value: float | None) -> dict[str, object]:
    return {
        "name": f"{name} (at least)",
        "value": value,
        "target": QUALITY,
        "holds": value is not None and value >= QUALITY,
    }
