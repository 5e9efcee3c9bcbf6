"""The probe says what a quick fit would mend."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.grading.metrics import metric
from routenlp.training.learnability import QuickProbe

PROBE = QuickProbe(metric("accuracy"))


def world(n: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 12)).astype(np.float32)
    return rows, ["left" if row[0] > 0 else "right" for row in rows]


def test_what_follows_from_the_vector_is_learnable_and_chance_is_not():
    rows, labels = world(300)
    fresh, right = world(200, seed=1)
    assert PROBE.learnable(rows, labels, fresh, right).mean() > 0.85
    coin = np.random.default_rng(2).permutation(right).tolist()
    assert PROBE.learnable(rows, labels, fresh, coin).mean() == pytest.approx(0.5, abs=0.12)


def test_a_row_among_the_lessons_is_judged_without_itself():
    rows, labels = world(200)
    coin = np.random.default_rng(3).permutation(labels).tolist()
    assert PROBE.learnable(rows, coin, rows, coin).mean() < 0.65


def test_leave_one_out_is_what_a_fit_without_the_row_says():
    rows, labels = world(40)
    without = [
        PROBE.learnable(np.delete(rows, i, 0), labels[:i] + labels[i + 1 :], rows[[i]], [labels[i]])[0]
        for i in range(40)
    ]
    closed = PROBE.learnable(rows, labels, rows, labels)
    assert np.mean(closed == np.array(without)) >= 0.95  # the mean of the targets differs by one row's share


def test_texts_are_guessed_from_the_nearest_lesson():
    rows = np.eye(3, dtype=np.float32)
    near = rows + np.float32(0.1)
    texts = ["pay the rent", "open the door", "call the bank"]
    found = QuickProbe(metric("rouge_l")).learnable(rows, texts, near[:2], [texts[0], texts[2]])
    assert found[0] == 1.0
    assert found[1] < 0.5


def test_without_lessons_nothing_is_learnable():
    nothing = np.zeros((0, 3), dtype=np.float32)
    assert PROBE.learnable(nothing, [], np.ones((2, 3), dtype=np.float32), ["a", "b"]).tolist() == [0.0, 0.0]
    assert PROBE.learnable(np.ones((2, 3), dtype=np.float32), ["a", "b"], nothing, []).tolist() == []
