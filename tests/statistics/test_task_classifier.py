"""Two promises of the task classifier, in a world whose truth is known: few wrong assignments, few tasks ruled out."""

from __future__ import annotations

from math import sqrt

import numpy as np

from routenlp.replay.task_training import TaskPromise, TaskRows, find_plausible_from, find_sure_from
from routenlp.router.task_classifier import TaskClassifier

DRAWS = 400
N = 600
PROMISE = TaskPromise(alpha=0.10, miss=0.05, delta=0.1)
CLASSIFIER = TaskClassifier(
    tasks=("a", "b"),
    weights=np.array([[0.0, 3.0], [0.0, 0.0]], dtype=np.float32),
    bias=np.zeros(2),
    centres=np.array([[1.0, 1.0], [0.0, 0.0]], dtype=np.float32),
    near_from=np.full(2, -1.0),
    along_from=np.full(2, -100.0),
    sure_from=None,
    plausible_from=np.zeros(2),
)
"""Overconfident: the world's slope is 1.2, not 3."""


def world(n: int, rng: np.random.Generator) -> TaskRows:
    x = rng.normal(scale=1.5, size=n)
    task = (rng.random(n) < 1.0 / (1.0 + np.exp(-1.2 * x))).astype(np.int64)
    vectors = np.stack([x, np.ones(n)], axis=1).astype(np.float32)
    return TaskRows(vectors, task, tuple(str(i) for i in range(n)))


LARGE = world(400_000, np.random.default_rng(1))
P = CLASSIFIER.probabilities(LARGE.vectors)
WRONG = P.argmax(axis=1) != LARGE.task


def tolerance(delta: float) -> float:
    return DRAWS * delta + 3.0 * sqrt(DRAWS * delta * (1.0 - delta))


def test_wrong_assignments_are_over_the_target_in_few_calibrations() -> None:
    rng, broken, proved = np.random.default_rng(2), 0, 0
    for draw in range(DRAWS):
        train, calibrate = world(N, rng), world(N, rng)
        held_out = CLASSIFIER.probabilities(train.vectors)
        _, sure_from = find_sure_from(CLASSIFIER, held_out, train, calibrate, PROMISE, draw)
        if sure_from is not None:
            taken = P.max(axis=1) >= sure_from
            broken += bool(WRONG[taken].mean() > PROMISE.alpha)
            proved += 1
    assert proved > DRAWS / 4
    assert broken <= tolerance(PROMISE.delta)


def test_a_tasks_own_queries_are_ruled_out_too_often_in_few_calibrations() -> None:
    rng, broken = np.random.default_rng(3), np.zeros(2)
    for _ in range(DRAWS):
        lines, counts = find_plausible_from(CLASSIFIER, world(N, rng), PROMISE)
        assert min(counts) > 200
        assert (lines > 0.0).all()
        broken += [(P[LARGE.task == t, t] < lines[t]).mean() > PROMISE.miss for t in (0, 1)]
    assert broken.max() <= tolerance(PROMISE.delta)


def test_a_task_with_few_rows_is_never_ruled_out() -> None:
    lines, counts = find_plausible_from(CLASSIFIER, world(40, np.random.default_rng(4)), PROMISE)
    assert max(counts) < 45
    assert lines.tolist() == [0.0, 0.0]


def test_a_conversation_counts_once() -> None:
    once = world(N, np.random.default_rng(5))
    rows = np.repeat(np.arange(N), 7)
    often = TaskRows(once.vectors[rows], once.task[rows], tuple(once.groups[i] for i in rows))
    held_out = CLASSIFIER.probabilities(once.vectors)
    found = [find_sure_from(CLASSIFIER, held_out, once, rows, PROMISE, 0)[0] for rows in (once, often)]
    assert found[0].p_values == found[1].p_values
