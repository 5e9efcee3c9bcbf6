"""`routenlp train-tasks`: a task classifier from tagged texts, with what it may say proved on rows that no fit saw.

    train 60%        encoder (unless a router's is given), softmax, centres, the order of the lines to try
    calibrate 25%    sure_from: the boldest line with P(wrong | assigned) <= alpha, by `conformal.conditional`
                     plausible_from: of each task, the line under which its own queries fall with probability <= miss
    test 15%         what is reported

Both hold with probability at least 1 - delta over calibration draws, each, for queries that are exchangeable with the
tagged ones, a conversation or document counting once however many queries it has: rows of one resemble each other, so
one of each is looked at, and exact binomial tails then hold. That untagged traffic is like the tagged is an assumption,
and nothing here can check it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.conformal.binomial import largest_count
from routenlp.conformal.conditional import conditional, most_testable
from routenlp.conformal.groups import row_units
from routenlp.conformal.verdict import Status, Verdict
from routenlp.contracts import Encoder
from routenlp.errors import DataError
from routenlp.replay.folds import SALT, fraction
from routenlp.router.reading import reading
from routenlp.router.task_classifier import TaskClassifier
from routenlp.training.task_classifier_fit import FEWEST_ROWS, allowed, fit_task_classifier
from routenlp.training.text_features import count_texts, fit_text_frame
from routenlp.types import FloatArray, Query

_ENDS = (0.60, 0.85)
"""Where the folds of training and of calibration end."""
LINES = 1.0 - np.geomspace(1e-5, 0.7, 40)
"""Confidences from which a task may be assigned, from the strictest on."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A query whose task is known, because its caller said so."""

    query: Query
    group: str
    """Conversation, or whatever else belongs together: never cut between folds."""


@dataclass(frozen=True, slots=True)
class TaskPromise:
    """What is to hold."""

    alpha: float = 0.02
    """P(wrong | assigned), at most."""
    miss: float = 0.01
    """P(a task's query does not have its own task among the plausible ones), at most."""
    delta: float = 0.1


@dataclass(frozen=True, slots=True)
class OfTask:
    """One task on the test fold."""

    task: str
    rows: int
    assigned: int
    """Of its rows, to any task."""
    wrong: int
    """Of those, to another task."""
    missed: int
    """Of its rows, without it among the plausible tasks."""
    calibrated: int
    """Rows of the calibration fold behind `plausible_from`."""
    plausible_from: float
    """0: too few rows to ever rule the task out."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedTasks:
    """A classifier, and what is known of it."""

    encoder: Encoder
    classifier: TaskClassifier
    verdict: Verdict
    """Of the walk over `LINES`; anything under CERTIFIED assigns no task."""
    by_task: tuple[OfTask, ...]
    sizes: dict[str, int]
    """Queries by fold."""
    left_out: dict[str, int]
    """Tasks with too few rows, and how many they have."""


@dataclass(frozen=True, slots=True, eq=False)
class TaskRows:
    """Queries as numbers."""

    vectors: NDArray[np.float32]
    """Shape (n, d)."""
    task: NDArray[np.int64]
    """Positions of their tasks, shape (n,)."""
    groups: tuple[str, ...]

    def at(self, rows: NDArray[np.int64]) -> TaskRows:
        """Some of them."""
        return TaskRows(self.vectors[rows], self.task[rows], tuple(self.groups[i] for i in rows))


def train_tasks(tagged: Sequence[Tagged], promise: TaskPromise, *, encoder: Encoder | None, seed: int) -> TrainedTasks:
    """`encoder`: the router's, so that a query is encoded once for both; None: one of its own, from the training fold.

    Raises `DataError` where a fold would be empty, `TrainingError` where there are fewer than two tasks.
    """
    counts = Counter(row.query.task for row in tagged)
    left_out = {task: n for task, n in sorted(counts.items()) if n < 3 * FEWEST_ROWS}
    kept = [row for row in tagged if row.query.task not in left_out]
    tasks = tuple(sorted({row.query.task for row in kept}))
    at = _folds([row.group for row in kept], seed)
    texts = [reading(row.query) for row in kept]
    encoder = encoder or fit_text_frame(count_texts(texts), at["train"], seed=seed).encoder()
    position = {task: i for i, task in enumerate(tasks)}
    every = TaskRows(
        encoder.encode(texts),
        np.array([position[row.query.task] for row in kept], dtype=np.int64),
        tuple(row.group for row in kept),
    )
    train, calibrate, test = (every.at(at[name]) for name in ("train", "calibrate", "test"))
    number = {group: i for i, group in enumerate(sorted(set(train.groups)))}
    groups = np.array([number[group] for group in train.groups], dtype=np.int64)
    fitted = fit_task_classifier(train.vectors, train.task, groups, tasks, seed=seed)
    verdict, sure_from = find_sure_from(fitted.classifier, fitted.held_out, train, calibrate, promise, seed)
    plausible, calibrated = find_plausible_from(fitted.classifier, calibrate, promise)
    classifier = allowed(fitted.classifier, sure_from, plausible)
    sizes = {name: len(rows) for name, rows in at.items()}
    return TrainedTasks(encoder, classifier, verdict, _measure(classifier, test, calibrated), sizes, left_out)


def _folds(groups: Sequence[str], seed: int) -> dict[str, NDArray[np.int64]]:
    salt = f"{SALT}/tasks/{seed}"
    where = np.searchsorted(_ENDS, [fraction("", group, salt=salt) for group in groups], side="right")
    folds = {name: np.flatnonzero(where == i) for i, name in enumerate(("train", "calibrate", "test"))}
    for name, rows in folds.items():
        if not rows.size:
            raise DataError("tagged texts", f"give no row to the {name} fold", "Give some hundreds of each task.")
    return folds


def _one_a_group(groups: Sequence[str]) -> NDArray[np.int64]:
    """The first row of each group."""
    first = {group: i for i, group in reversed(list(enumerate(groups)))}
    return np.array(sorted(first.values()), dtype=np.int64)


def _taken(classifier: TaskClassifier, p: FloatArray, rows: TaskRows) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each line assigns each row, shape (lines, n), and whether the likeliest task is wrong, shape (n,)."""
    best = p.argmax(axis=1)
    near = classifier.near(rows.vectors)[np.arange(len(best)), best] >= 0.0
    known = rows.vectors.any(axis=1)
    return (p.max(axis=1) >= LINES[:, None]) & near & known, best != rows.task


def find_sure_from(
    classifier: TaskClassifier,
    held_out: FloatArray,
    train: TaskRows,
    calibrate: TaskRows,
    promise: TaskPromise,
    seed: int,
) -> tuple[Verdict, float | None]:
    """The verdict over `LINES`, and the boldest line that it proved; None where it proved none.

    `held_out`: probabilities of the training rows by models that had not seen them; they choose where the walk begins.
    """
    one = _one_a_group(train.groups)
    taken, wrong = _taken(classifier, held_out[one], train.at(one))
    start = most_testable(taken, np.broadcast_to(wrong, taken.shape), alpha=promise.alpha)
    rows = calibrate.at(_one_a_group(calibrate.groups))
    taken, wrong = _taken(classifier, classifier.probabilities(rows.vectors), rows)
    verdict = conditional(
        taken,
        np.broadcast_to(wrong, taken.shape),
        alpha=promise.alpha,
        delta=promise.delta,
        units=row_units(len(rows.task), seed=seed),
        start=start,
    )
    certified = verdict.selected > 0 and verdict.status is Status.CERTIFIED
    return verdict, float(LINES[verdict.selected - 1]) if certified else None


def find_plausible_from(
    classifier: TaskClassifier, calibrate: TaskRows, promise: TaskPromise
) -> tuple[FloatArray, list[int]]:
    """Of each task, its own rows' (k* + 1)-th smallest probability, and how many rows there were, one a group.

    At most k* of n rows lie below it, k* the largest count that a chance of `miss` makes as unlikely as delta.
    """
    p = classifier.probabilities(calibrate.vectors)
    lines, counts = np.zeros(len(classifier.tasks)), []
    for t in range(len(classifier.tasks)):
        rows = np.flatnonzero(calibrate.task == t)
        own = np.sort(p[rows[_one_a_group([calibrate.groups[i] for i in rows])], t])
        counts.append(len(own))
        most = largest_count(len(own), promise.miss, promise.delta) if len(own) else None
        lines[t] = 0.0 if most is None or most >= len(own) else own[most]
    return lines, counts


def _measure(classifier: TaskClassifier, test: TaskRows, calibrated: Sequence[int]) -> tuple[OfTask, ...]:
    guesses = [classifier.guess(vector) for vector in test.vectors]
    out = []
    for t, task in enumerate(classifier.tasks):
        own = [guesses[i] for i in np.flatnonzero(test.task == t)]
        assigned = [guess for guess in own if guess.task is not None]
        out.append(
            OfTask(
                task,
                len(own),
                len(assigned),
                sum(guess.task != task for guess in assigned),
                sum(task not in guess.plausible for guess in own),
                calibrated[t],
                float(classifier.plausible_from[t]),
            )
        )
    return tuple(out)
