"""Features: of every text, from the training fold alone."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.replay.backtest.features import count_table, fit_features, make_rows, take
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.router.reading import SURFACE
from routenlp.training.text_features import count_texts, fit_text_features

TEXTS = [f"what is the {thing} of {place}" for thing in ("price", "colour", "age") for place in ("rome", "a cat", "x")]


def table(texts=TEXTS, **columns):
    rows = [(i, text, model) for i, text in enumerate(texts) for model in ("cheap", "dear")]
    return read_outcomes(
        {
            "query_id": [f"q{i:02}" for i, _, _ in rows],
            "query": [text for _, text, _ in rows],
            "model": [model for _, _, model in rows],
            "task": ["odd" if i % 2 else "even" for i, _, _ in rows],
            "quality": [float(model == "dear") for _, _, model in rows],
            "cost_usd": [1.0 if model == "dear" else 0.1 for _, _, model in rows],
            **columns,
        }
    )


def test_a_text_outside_the_training_fold_does_not_change_the_others():
    train = np.arange(6)
    one = fit_text_features(count_texts(TEXTS), train, seed=0)
    other = fit_text_features(count_texts([*TEXTS[:8], "quite another text"]), train, seed=0)
    assert np.allclose(one[:8], other[:8])


@pytest.mark.parametrize("text", ["", " \n", "\x00", "\ud800 lone", "word " * 20_000])
def test_every_text_has_finite_features(text):
    found = fit_text_features(count_texts([*TEXTS, text]), np.arange(len(TEXTS) + 1), seed=0)
    assert np.isfinite(found).all()
    assert found.shape[0] == len(TEXTS) + 1


def test_training_texts_that_are_all_blank_leave_the_surface_features():
    found = fit_text_features(count_texts(["", "", "", "word"]), np.arange(3), seed=0)
    assert found.shape == (4, SURFACE)
    assert np.isfinite(found).all()


def test_the_same_texts_and_seed_give_the_same_features():
    one, two = (fit_text_features(count_texts(TEXTS), np.arange(6), seed=3) for _ in range(2))
    assert np.array_equal(one, two)


def test_rows_keep_the_positions_of_tasks_in_every_fold():
    outcomes = table()
    rows = make_rows(outcomes, ("cheap", "dear"), fit_features(outcomes, np.arange(6), count_table(outcomes), seed=0))
    evens = take(rows, np.flatnonzero(rows.task == 0))
    odds = take(rows, np.flatnonzero(rows.task == 1))
    assert rows.task_names == evens.task_names == odds.task_names == ("even", "odd")
    assert (odds.task == 1).all()
    assert evens.n + odds.n == outcomes.n
    assert np.array_equal(odds.quality, np.tile([0.0, 1.0], (odds.n, 1)))


def test_a_recording_without_text_has_no_features():
    outcomes = table()
    assert fit_features(outcomes, np.arange(3), None, seed=0).shape == (outcomes.n, 0)


def test_latencies_come_along_where_they_are_known():
    slow = table(latency_ms=[100.0, 2_000.0] * len(TEXTS))
    rows = make_rows(slow, ("cheap", "dear"), fit_features(slow, np.arange(6), None, seed=0))
    assert take(rows, np.array([3, 1])).latency_s.tolist() == [[0.1, 2.0], [0.1, 2.0]]
    silent = table()
    assert make_rows(silent, ("cheap", "dear"), fit_features(silent, np.arange(6), None, seed=0)).latency_s is None
