"""An estimate of quality learns what is there to be learned, and says nothing outside [0, 1]."""

from __future__ import annotations

import numpy as np
import pytest
from tests.contracts.letters import LetterCounts

from routenlp.errors import TrainingError
from routenlp.training.quality_estimate import columns, fit_quality_estimate
from routenlp.types import Answer, Query


def answer(text: str, probs: tuple[float, ...] | None) -> Answer:
    return Answer("tier", text, probs, 1, 1, 0.0, 0.1)


@pytest.fixture(scope="module")
def encoder() -> LetterCounts:
    return LetterCounts()


def graded(n: int, seed: int) -> tuple[list[Query], list[Answer], np.ndarray]:
    """Good answers repeat the query's words; how sure a model is says nothing."""
    rng = np.random.default_rng(seed)
    words = [f"word{i}" for i in range(200)]
    queries, answers, quality = [], [], []
    for i in range(n):
        asked = rng.choice(words, 8).tolist()
        good = float(rng.uniform())
        said = [w if rng.uniform() < good else str(rng.choice(words)) for w in asked]
        queries.append(Query(f"q{seed}-{i}", "t", " ".join(asked)))
        answers.append(answer(" ".join(said), (float(rng.uniform()),) if i % 2 else None))
        quality.append(good)
    return queries, answers, np.array(quality)


def test_it_ranks_answers_that_it_has_not_seen(encoder: LetterCounts) -> None:
    queries, answers, quality = graded(600, 0)
    fitted = fit_quality_estimate(encoder, queries, answers, quality, np.arange(600), seed=0)
    others, said, truth = graded(300, 1)
    assert np.corrcoef(fitted.of(others, said), truth)[0, 1] > 0.7


def test_it_stays_in_the_unit_interval_on_anything(encoder: LetterCounts) -> None:
    queries, answers, quality = graded(100, 2)
    fitted = fit_quality_estimate(encoder, queries, answers, quality, np.arange(100), seed=0)
    odd = [answer(text, probs) for text, probs in (("", None), ("\0", ()), ("?" * 5_000, (1.0,)), ("é" * 99, (0.0,)))]
    found = fitted.of([Query("q", "t", "")] * len(odd), odd)
    assert np.isfinite(found).all()
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_an_answer_without_probabilities_has_no_uncertainty(encoder: LetterCounts) -> None:
    known, unknown = columns(encoder, [Query("q", "t", "a b")] * 2, [answer("a", (0.5,)), answer("a", None)])
    assert np.isnan(unknown).sum() == 3
    assert not np.isnan(known).any()


def test_too_few_graded_answers_are_refused(encoder: LetterCounts) -> None:
    queries, answers, quality = graded(4, 3)
    with pytest.raises(TrainingError):
        fit_quality_estimate(encoder, queries, answers, quality, np.arange(4), seed=0)
