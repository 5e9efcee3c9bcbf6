"""What training promises of each task, and of tasks that it pools, in a world whose truth is known.

The ladder is fitted once. Calibration folds are drawn from a finite population with replacement, so that each policy's
quality ratio is known exactly, and a policy just under its target counts as a miss.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import MODELS, recording

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Replays, Target, replay_all
from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.backtest.ladder import ContinuationLadder, fit_continuation
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.certify_tasks import certify_tasks
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.wanted import Wanted, WantedOfTasks

pytestmark = pytest.mark.slow
DRAWS, DELTA = 120, 0.2
MOST_MISSES = 38
"""The 99.9% point of Binomial(120, 0.2)."""
SIZES = {"large": 700, "few": 60, "little": 90}
WANTED = WantedOfTasks(Wanted(Target(eps=0.08, delta=DELTA), Status.CERTIFIED))


def dealt(n: int) -> Rows:
    """Queries of three tasks, in any order."""
    columns = recording(n)
    share = np.cumsum(list(SIZES.values())) / sum(SIZES.values())
    draw = np.random.default_rng(1).random(n)
    task = {f"q{i}": list(SIZES)[int(np.searchsorted(share, draw[i]))] for i in range(n)}
    table = read_outcomes({**columns, "task": [task[q] for q in columns["query_id"]]})
    features = fit_features(table, np.arange(table.n), count_table(table), seed=0)
    return take(make_rows(table, MODELS, features), np.random.default_rng(2).permutation(n))


@pytest.fixture(scope="module")
def world() -> tuple[ContinuationLadder, Rows, Rows, Replays]:
    """A ladder with its training rows, and a population with what every policy does to it."""
    rows = dealt(8_000)
    train, population = take(rows, np.arange(1_500)), take(rows, np.arange(1_500, rows.n))
    ladder = fit_continuation(train, 0)
    return ladder, train, population, replay_all(ladder, population)


def drawn(population: Rows, seed: int) -> Rows:
    """A calibration fold: so many queries of each task."""
    rng = np.random.default_rng(seed)
    at = [
        rng.choice(np.flatnonzero(population.task == population.task_names.index(task)), size)
        for task, size in SIZES.items()
    ]
    rows = take(population, np.concatenate(at))
    return replace(rows, groups=np.arange(rows.n))


def ratio(truth: Replays, population: Rows, tasks: tuple[str, ...], step: int) -> float:
    """Of a policy over these tasks, each as often as it is drawn."""
    routed = top = 0.0
    for task in tasks:
        of = truth.rows(population.task == population.task_names.index(task))
        routed += SIZES[task] * float(of.quality[step].mean())
        top += SIZES[task] * float(of.top.mean())
    return routed / top


def test_neither_a_tasks_own_promise_nor_a_pooled_one_is_missed_too_often(
    world: tuple[ContinuationLadder, Rows, Rows, Replays],
) -> None:
    ladder, train, population, truth = world
    missed: dict[tuple[str, ...], int] = {}
    saved: dict[tuple[str, ...], int] = {}
    for draw in range(DRAWS):
        for walk in certify_tasks(ladder, train, drawn(population, draw), WANTED, seed=draw):
            target = 1.0 - walk.verdict.target
            missed[walk.tasks] = missed.get(walk.tasks, 0) + (
                ratio(truth, population, walk.tasks, walk.step) < target - 1e-12
            )
            saved[walk.tasks] = saved.get(walk.tasks, 0) + (walk.step > 0)
    assert set(missed) == {("large",), ("few", "little")}
    assert max(missed.values()) <= MOST_MISSES
    assert saved["large",] > DRAWS / 2
