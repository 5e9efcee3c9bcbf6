"""The chain against brute force over all sequences."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.student.chain import Chain, posterior, viterbi
from routenlp.types import FloatArray

WORDS, TAGS = 4, 3


def world(seed: int) -> tuple[Chain, FloatArray]:
    """A random chain in which tag 2 may neither come first nor follow tag 0."""
    rng = np.random.default_rng(seed)
    start, step = rng.normal(size=TAGS), rng.normal(size=(TAGS, TAGS))
    start[2] = step[0, 2] = -np.inf
    return Chain(start, step), 2.0 * rng.normal(size=(WORDS, TAGS))


def scores(chain: Chain, emit: FloatArray) -> dict[tuple[int, ...], float]:
    def score(tags: tuple[int, ...]) -> float:
        moves = sum(chain.step[a, b] for a, b in pairwise(tags))
        return float(chain.start[tags[0]] + moves + sum(emit[t, tag] for t, tag in enumerate(tags)))

    return {tags: score(tags) for tags in product(range(TAGS), repeat=len(emit))}


@given(st.integers(0, 10_000))
def test_viterbi_finds_the_likeliest_sequence(seed: int) -> None:
    chain, emit = world(seed)
    by_score = scores(chain, emit)
    assert tuple(viterbi(chain, emit)) == max(by_score, key=lambda tags: by_score[tags])


@given(st.integers(0, 10_000))
def test_runs_have_the_probability_of_the_sequences_that_hold_them(seed: int) -> None:
    chain, emit = world(seed)
    weights = {tags: np.exp(score) for tags, score in scores(chain, emit).items()}
    run = (1, 2)
    expected = sum(w for tags, w in weights.items() if tags[1:3] == run) / sum(weights.values())
    assert posterior(chain, emit).run(1, np.array(run)) == pytest.approx(expected)


@given(st.integers(0, 10_000))
def test_marginals_sum_to_one_and_respect_what_is_forbidden(seed: int) -> None:
    chain, emit = world(seed)
    node = posterior(chain, emit).node
    assert node.sum(axis=1) == pytest.approx(np.ones(WORDS))
    assert node[0, 2] == 0.0


def test_one_word_is_a_sequence_too() -> None:
    chain, emit = world(1)
    assert viterbi(chain, emit[:1]).tolist() == [int(np.argmax(chain.start + emit[0]))]
    assert posterior(chain, emit[:1]).node.sum() == pytest.approx(1.0)


def test_extreme_scores_stay_finite() -> None:
    chain, emit = world(2)
    assert np.isfinite(posterior(chain, 1e4 * emit).node).all()


def test_a_higher_temperature_is_less_sure_of_the_same_answer() -> None:
    chain, emit = world(3)
    tags = viterbi(chain, emit)
    cooler, warmer = posterior(chain, emit), posterior(chain.tempered(3.0), emit / 3.0)
    assert viterbi(chain.tempered(3.0), emit / 3.0).tolist() == tags.tolist()
    assert warmer.run(0, tags) < cooler.run(0, tags)
