"""The likelihood against brute force, and its gradient against differences."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from routenlp.backends.student.chain import Chain
from routenlp.training.crf import lay_out, likelihood
from routenlp.training.lbfgs import minimise
from routenlp.types import FloatArray, Vectors

LENGTHS = np.array([2, 4, 1, 3])
TAGS = 3


def world(seed: int) -> tuple[Chain, Vectors, np.ndarray]:
    rng = np.random.default_rng(seed)
    emit = rng.normal(size=(int(LENGTHS.sum()), TAGS)).astype(np.float32)
    gold = rng.integers(0, TAGS, size=len(emit))
    return Chain(rng.normal(size=TAGS), rng.normal(size=(TAGS, TAGS))), emit, gold


def brute_force(chain: Chain, emit: Vectors, gold: np.ndarray) -> float:
    total, begin = 0.0, 0
    for length in LENGTHS:
        words = emit[begin : begin + length].astype(np.float64)

        def score(tags: tuple[int, ...], words: FloatArray = words) -> float:
            moves = sum(chain.step[a, b] for a, b in pairwise(tags))
            return float(chain.start[tags[0]] + moves + sum(words[t, tag] for t, tag in enumerate(tags)))

        everything = [score(tags) for tags in product(range(TAGS), repeat=int(length))]
        total += score(tuple(gold[begin : begin + length])) - float(np.logaddexp.reduce(everything))
        begin += length
    return total


def test_the_layout_holds_every_word_once() -> None:
    layout = lay_out(LENGTHS)
    assert sorted(layout.rows) == list(range(int(LENGTHS.sum())))
    before, after = layout.moves()
    assert (layout.rows[after] - layout.rows[before] == 1).all()
    assert len(after) == LENGTHS.sum() - len(LENGTHS)


@pytest.mark.parametrize("seed", range(5))
def test_the_likelihood_is_that_of_brute_force(seed: int) -> None:
    chain, emit, gold = world(seed)
    layout = lay_out(LENGTHS)
    value = likelihood(chain, emit[layout.rows], gold[layout.rows], layout).value
    assert value == pytest.approx(brute_force(chain, emit, gold), rel=1e-5)


def test_the_gradient_is_that_of_small_differences() -> None:
    chain, emit, gold = world(7)
    layout = lay_out(LENGTHS)
    found = likelihood(chain, emit[layout.rows], gold[layout.rows], layout)
    small = 1e-3
    for place, tag in ((0, 0), (3, 2), (9, 1)):
        moved = emit.copy()
        moved[layout.rows[place], tag] += small
        slope = (brute_force(chain, moved, gold) - brute_force(chain, emit, gold)) / small
        assert found.emit[place, tag] == pytest.approx(slope, abs=1e-2)
    for a, b in ((0, 1), (2, 2)):
        step = chain.step.copy()
        step[a, b] += small
        slope = (brute_force(Chain(chain.start, step), emit, gold) - brute_force(chain, emit, gold)) / small
        assert found.step[a, b] == pytest.approx(slope, abs=1e-2)


def test_the_minimum_of_a_skewed_bowl_is_found() -> None:
    scale = np.array([1.0, 30.0, 900.0], dtype=np.float32)
    centre = np.array([3.0, -2.0, 0.5], dtype=np.float32)

    def bowl(at: Vectors) -> tuple[float, Vectors]:
        return float(0.5 * (scale * (at - centre) ** 2).sum()), scale * (at - centre)

    assert minimise(bowl, np.zeros(3, dtype=np.float32), max_steps=50, tolerance=0.0) == pytest.approx(centre, abs=1e-3)
