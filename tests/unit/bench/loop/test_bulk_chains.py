"""Texts that walk a chain together come to what each comes to alone."""

from __future__ import annotations

import numpy as np

from routenlp.backends.student.chain import Chain, posterior, viterbi
from routenlp.bench.loop.bulk_chains import decode
from routenlp.training.tagger import forbidden_moves


def test_tags_and_beliefs_are_those_of_each_text_alone():
    rng = np.random.default_rng(0)
    forbidden = forbidden_moves(2)
    moves = np.where(forbidden, -np.inf, rng.normal(size=forbidden.shape))
    chain = Chain(moves[-1], moves[:-1])
    lengths = np.array([1, 7, 3, 7, 2, 30])
    emit = 4.0 * rng.normal(size=(int(lengths.sum()), 5))
    emit[3] = [-200.0, 0.0, -200.0, -200.0, -200.0]
    found = decode(chain, emit, lengths)
    for end, length in zip(np.cumsum(lengths), lengths, strict=True):
        at = slice(end - length, end)
        tags, belief = viterbi(chain, emit[at]), posterior(chain, emit[at])
        rows = np.arange(length)
        assert np.array_equal(found.tags[at], tags)
        assert np.allclose(found.here[at], belief.node[rows, tags])
        given = [belief.node[0, tags[0]], *belief.move[rows[:-1], tags[:-1], tags[1:]]]
        assert np.allclose(found.given[at], given)
        inside = 2 * ((tags[:-1] + 1) // 2)
        goes_on = np.where(tags[:-1] > 0, belief.move[rows[:-1], tags[:-1], inside], 0.0)
        assert np.allclose(found.goes_on[at], [*goes_on, 0.0])
