"""The network in serving: numpy alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from routenlp.router.paper_network import PaperNetwork, qualities, softmax

TASKS, D, E, K = 2, 5, 3, 4
RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def network(*, graded: bool = True) -> PaperNetwork:
    scale = np.abs(normal(D)) + np.float32(0.5)
    arrays = normal(D), scale, normal(TASKS + 1, E), normal(TASKS + 1, D + E, K), normal(TASKS + 1, K)
    return PaperNetwork(*arrays, np.zeros(K), np.ones(K), graded)


def test_logits_are_the_tasks_head_on_vector_and_embedding() -> None:
    model, features = network(), normal(3, D)
    task = np.array([1, 0, 1])
    for row, t, z in zip(features, task, model.logits(features, task), strict=True):
        x = np.concatenate([(row - model.centre) / model.scale, model.embedding[t]])
        np.testing.assert_allclose(z, x @ model.weights[t] + model.bias[t], atol=1e-5)


@pytest.mark.parametrize("task", [TASKS, TASKS + 5, -1])
def test_an_unknown_task_has_the_shared_head(task: int) -> None:
    model, features = network(), normal(2, D)
    np.testing.assert_array_equal(
        model.logits(features, np.array([task, task])), model.logits(features, np.full(2, TASKS))
    )


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    model, features, task = network(), normal(6, D), np.array([0, 1, 2, 1, 0, 1])
    together = model.estimate(features, task)
    apart = [model.estimate(features[i : i + 1], task[i : i + 1])[0] for i in range(6)]
    np.testing.assert_allclose(together, apart, rtol=1e-6)


@given(arrays(np.float64, (3, K), elements=st.floats(-1e6, 1e6)), st.booleans())
def test_estimates_are_qualities(logits: np.ndarray, graded: bool) -> None:
    found = qualities(logits, graded=graded)
    assert ((found >= 0) & (found <= 1)).all()


def test_in_the_papers_mode_a_dearer_tier_is_never_expected_to_be_worse() -> None:
    found = network(graded=False).estimate(normal(20, D), np.zeros(20, dtype=np.int64))
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_allclose(found[:, -1], 1.0)


def test_probabilities_are_of_the_cheapest_tier_that_will_do() -> None:
    logits = np.log(np.array([[0.5, 0.3, 0.2]]))
    np.testing.assert_allclose(softmax(logits), [[0.5, 0.3, 0.2]])
    np.testing.assert_allclose(qualities(logits, graded=False), [[0.5, 0.8, 1.0]])


def test_it_comes_back_from_storage() -> None:
    model, features, task = network(graded=False), normal(4, D), np.array([0, 1, 2, 0])
    back = PaperNetwork.from_parts(model.parts())
    assert back.estimate(features, task).tobytes() == model.estimate(features, task).tobytes()


def test_no_rows_give_no_estimates() -> None:
    assert network().estimate(normal(0, D), np.zeros(0, dtype=np.int64)).shape == (0, K)


def test_serving_never_imports_torch() -> None:
    modules = "routenlp.router.paper_network, routenlp.router.strengths, routenlp.backends.encoders.cls_token"
    code = f"import sys, routenlp, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
