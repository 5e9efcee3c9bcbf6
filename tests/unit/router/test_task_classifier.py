"""What the task classifier says, and when it says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routenlp.router.task_classifier import TaskClassifier

CLASSIFIER = TaskClassifier(
    tasks=("mail", "code", "law"),
    weights=np.eye(3, dtype=np.float32) * 10.0,
    bias=np.zeros(3),
    centres=np.eye(3, dtype=np.float32),
    near_from=np.full(3, 0.8),
    along_from=np.full(3, 0.8),
    sure_from=0.9,
    plausible_from=np.array([0.2, 0.2, 0.0]),
)


def vector(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_a_sure_query_near_its_tasks_centre_is_assigned() -> None:
    guess = CLASSIFIER.guess(vector(1.0, 0.0, 0.0))
    assert (guess.task, guess.likeliest) == ("mail", "mail")
    assert guess.confidence > 0.99


def test_an_unsure_one_is_not_and_what_it_may_be_is_said() -> None:
    guess = CLASSIFIER.guess(vector(0.5, 0.5, 0.0))
    assert guess.task is None
    assert guess.plausible == ("mail", "code", "law")


def test_a_task_that_was_never_to_be_ruled_out_is_always_plausible() -> None:
    assert CLASSIFIER.guess(vector(1.0, 0.0, 0.0)).plausible == ("mail", "law")


@pytest.mark.parametrize("values", [(3.0, 2.5, 2.5), (0.5, 0.0, 0.0)])
def test_a_confident_one_unlike_every_training_text_is_not_assigned(values: tuple[float, ...]) -> None:
    guess = CLASSIFIER.guess(vector(*values))
    assert guess.confidence >= 0.9
    assert guess.task is None


def test_a_text_that_the_encoder_knows_nothing_of_may_be_anything() -> None:
    guess = CLASSIFIER.guess(vector(0.0, 0.0, 0.0))
    assert (guess.task, guess.plausible) == (None, CLASSIFIER.tasks)


def test_without_a_proof_nothing_is_assigned() -> None:
    assert replace(CLASSIFIER, sure_from=None).guess(vector(1.0, 0.0, 0.0)).task is None


@pytest.mark.parametrize("sure_from", [0.9, None])
def test_it_survives_storage(sure_from: float | None) -> None:
    first = replace(CLASSIFIER, sure_from=sure_from)
    again = TaskClassifier.from_parts(first.parts())
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert [first.guess(row) for row in rows] == [again.guess(row) for row in rows]


def test_huge_vectors_give_probabilities() -> None:
    p = CLASSIFIER.probabilities(np.full((1, 3), 1e30, dtype=np.float32))
    assert p.sum() == pytest.approx(1.0)
