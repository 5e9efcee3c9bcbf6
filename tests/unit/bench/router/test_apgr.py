"""Rankings on RouteLLM's table: curves by hand, splits without repeats, yardsticks that know what they should."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.bench.router.apgr import Pairs, Setting, rank, score, split
from routenlp.bench.router.yardsticks import Labelled, subject_mean, text_length, tfidf_ridge
from routenlp.training.text_features import count_texts

QUALITY = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])


def test_a_perfect_ranking_gains_all_with_the_first_half_of_strong_calls() -> None:
    found = score("s", "x", 0, np.array([1.0, 0.0, 1.0, 0.0]), QUALITY)
    assert found.apgr == pytest.approx(0.75, abs=1e-3)
    assert (found.cpt50, found.cpt80) == pytest.approx((0.25, 0.4), abs=1e-3)


def test_the_worst_ranking_gains_nothing_in_the_first_half() -> None:
    found = score("s", "x", 0, np.array([0.0, 1.0, 0.0, 1.0]), QUALITY)
    assert found.apgr == pytest.approx(0.25, abs=1e-3)


def test_no_test_query_repeats_the_words_of_a_training_query() -> None:
    texts = [f"Question {i % 30}?" if i % 2 else f"question {i % 30}" for i in range(90)]
    train, test = split(texts, 20, 0, odd=False)
    assert len(train) == 20
    assert not {texts[i].lower().strip("?") for i in train} & {texts[i].lower().strip("?") for i in test}


def test_the_odd_half_is_the_same_for_every_seed() -> None:
    texts = [f"question {i}" for i in range(200)]
    halves = [set(np.concatenate(split(texts, 20, seed, odd=True)).tolist()) for seed in (0, 1)]
    assert halves[0] == halves[1]
    assert 60 < len(halves[0]) < 140


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 2, 400)
    texts = [f"{'prove that' if h else 'what is'} item {i}" + " long" * (20 * int(h)) for i, h in enumerate(hard)]
    weak = (rng.uniform(size=400) < np.where(hard, 0.2, 0.9)).astype(float)
    return Pairs(texts, hard.astype(np.int64), np.stack([weak, np.ones(400)], axis=1), count_texts(texts), None)


@pytest.mark.slow
def test_every_system_ranks_the_hard_queries_first(pairs: Pairs) -> None:
    found = list(rank(pairs, Setting("easy", "t", 200, True, 0.0, 0.0), 0))
    assert {"TF-IDF + ridge", "text length", "subject mean", "stack", "factors"} <= {r.system for r in found}
    assert min(r.apgr for r in found) > 0.55


def test_without_the_subject_its_mean_is_no_yardstick(pairs: Pairs) -> None:
    from routenlp.bench.router.apgr import systems

    rows = np.arange(200), np.arange(200, 400)
    assert "subject mean" not in systems(pairs, Setting("s", "t", 200, False, 0.0, 0.0), *rows, 0)


def labelled(pairs: Pairs, rows: slice) -> Labelled:
    return Labelled(pairs.texts[rows], pairs.subject[rows], pairs.quality[rows, 1] - pairs.quality[rows, 0])


@pytest.mark.parametrize("yardstick", [tfidf_ridge, text_length, subject_mean])
def test_a_yardstick_tells_hard_from_easy(pairs: Pairs, yardstick) -> None:
    test = labelled(pairs, slice(200, 400))
    ranks = yardstick(labelled(pairs, slice(200)), test)
    assert ranks[test.subject == 1].mean() > ranks[test.subject == 0].mean()


def test_a_subject_that_was_never_seen_has_the_mean_of_all() -> None:
    train = Labelled(["a", "b"], np.array([0, 0]), np.array([1.0, 0.0]))
    assert subject_mean(train, Labelled(["c"], np.array([3]), np.zeros(1)))[0] == pytest.approx(0.5)
