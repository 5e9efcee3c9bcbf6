"""Figures of the lessons bench: each arm's ROUGE-L on what judges it, and the pairs of one seed against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.bench.frame import at_least, frame
from routenlp.bench.seqkd.run import ARMS, BASE, RANDOM, TARGETED, TaskResult
from routenlp.bench.seqkd.size import Size
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.replay.intervals import Interval

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """One task on one kind of held-out rows: means over rows, then over seeds."""

    task: str
    rows: str
    """Which they are."""
    count: int
    base: float
    arms: Mapping[str, float]
    difference: Interval
    """Targeted less random, paired by seed, with Student's interval over seeds."""


def figures(task: str, result: TaskResult) -> list[Figure]:
    """On failures in the clusters that lessons came from, on all rows there, and on the others."""
    of = {row.id: i for i, row in enumerate(result.scene.rows)}
    judged, near = set(result.ground.judged.tolist()), set(result.ground.near.tolist())
    places = {row.id: of[row.id] for row in result.asked}
    kinds = {
        "failures in the lessons' clusters": [name for name, at in places.items() if at in judged],
        "other rows there": [name for name, at in places.items() if at in near - judged],
        "rows elsewhere": [name for name, at in places.items() if at not in near],
    }
    return [_figure(task, kind, names, result) for kind, names in kinds.items() if names]


def _figure(task: str, kind: str, names: Sequence[str], result: TaskResult) -> Figure:
    def mean(scores: Mapping[str, float]) -> float:
        return float(np.mean([scores[name] for name in names]))

    by_arm = {arm: [mean(arms[arm]) for _, arms in sorted(result.arms.items())] for arm in ARMS}
    apart = np.subtract(by_arm[TARGETED], by_arm[RANDOM])
    means = {arm: float(np.mean(values)) for arm, values in by_arm.items()}
    return Figure(task, kind, len(names), mean(result.base), means, paired(apart.tolist()))


def paired(differences: Sequence[float]) -> Interval:
    """Their mean with Student's interval; without one for a single difference."""
    from scipy.stats import t

    middle = float(np.mean(differences))
    if len(differences) < 2:
        return Interval(middle, None, None)
    reach = float(
        t.ppf(0.5 + CONFIDENCE / 2, len(differences) - 1) * np.std(differences, ddof=1) / len(differences) ** 0.5
    )
    return Interval(middle, middle - reach, middle + reach)


def tables(found: Sequence[Figure]) -> list[Table]:
    """One table a task."""
    heads = ("held-out rows", BASE, *ARMS, "targeted less random")
    out = []
    for task in dict.fromkeys(figure.task for figure in found):
        rows = tuple(
            (
                f"{f.count} {f.rows}",
                f"{f.base:.3f}",
                *(f"{f.arms[arm]:.3f}" for arm in ARMS),
                interval(f.difference),
            )
            for f in found
            if f.task == task
        )
        out.append(Table(f"{task}: ROUGE-L", heads, rows))
    return out


def notes(results: Mapping[str, TaskResult], size: Size) -> list[str]:
    """What the lessons were."""
    out = []
    for task, result in results.items():
        ground = result.ground
        clusters = "; ".join(f"{n} of “{ground.labels[c]}”" for c, n in ground.quotas.items())
        out.append(
            f"{task}: {size.lessons[task]} lessons an arm, {len(result.arms)} seeds; the pool has {len(ground.pool):,} "
            f"rows, of which the prompted model failed on {len(ground.failures):,}; targeted lessons: {clusters}. "
            f"{ground.barred} rows resembled a held-out one and were barred from both arms."
        )
    if size.most_chars is not None:
        out.append(f"Small: queries are cut to their last {size.most_chars} characters and asked without examples.")
    return out


def checks(found: Sequence[Figure]) -> list[dict[str, object]]:
    """Targeted lessons beat random ones on the failures that they were meant for, by the interval's lower end."""
    return [
        at_least(f"targeted less random, {f.task}, lower end", f.difference.low, 0.0)
        for f in found
        if f.rows.startswith("failures") and f.difference.low is not None
    ]


def as_json(
    found: Sequence[Figure], results: Mapping[str, TaskResult], size: Size, *, seed: int, seconds: float
) -> dict[str, object]:
    """The frame that every bench has."""
    rows = [
        {
            "task": f.task,
            "rows": f.rows,
            "count": f.count,
            "base": round(f.base, 5),
            **{arm: round(value, 5) for arm, value in f.arms.items()},
            "difference": [f.difference.estimate, f.difference.low, f.difference.high],
        }
        for f in found
    ]
    return frame("seqkd", seed=seed, seconds=seconds, rows=rows, checks=checks(found), notes=notes(results, size))
