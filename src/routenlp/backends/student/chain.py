"""A linear chain over tags: the likeliest sequence, and how likely its parts are (Lafferty, McCallum & Pereira 2001).

A sequence y of tags has score  s(y) = start[y_0] + sum_t emit[t, y_t] + sum_t step[y_t, y_t+1],  and probability
exp(s(y)) / Z. Forbidden moves score minus infinity. Given the text, y is a Markov chain, so the probability of any
run of tags is its first tag's marginal times a product of conditionals: no sampling and no n-best list is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray

FLOOR = -80.0
"""Emissions are kept within this of the best of their word (natural log), so that no sum underflows to 0."""


@dataclass(frozen=True, slots=True)
class Chain:
    """`start`: float64 (k,). `step`: float64 (k, k), row is the tag before. Natural logs; -inf forbids."""

    start: FloatArray
    step: FloatArray

    def tempered(self, temperature: float) -> Chain:
        """The chain whose log scores are divided by `temperature`."""
        return Chain(self.start / temperature, self.step / temperature)


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the chain believes of one text of n words and k tags.

    `node`: float64 (n, k), p(y_t). `move`: float64 (n - 1, k, k), p(y_t+1 = b | y_t = a).
    """

    node: FloatArray
    move: FloatArray

    def run(self, first: int, tags: NDArray[np.int64]) -> float:
        """Probability that the tags from word `first` on are exactly `tags`."""
        here = np.arange(first, first + len(tags) - 1)
        return float(self.node[first, tags[0]] * np.prod(self.move[here, tags[:-1], tags[1:]]))


def viterbi(chain: Chain, emit: FloatArray) -> NDArray[np.int64]:
    """The likeliest tags, int64 (n,). `emit`: float64 (n, k), n >= 1."""
    score = chain.start + emit[0]
    back = np.zeros(emit.shape, dtype=np.int64)
    into = chain.step.T.copy()
    columns = np.arange(emit.shape[1])
    for t in range(1, len(emit)):
        reach = into + score
        back[t] = reach.argmax(axis=1)
        score = reach[columns, back[t]] + emit[t]
    tags = np.empty(len(emit), dtype=np.int64)
    tags[-1] = score.argmax()
    for t in range(len(emit) - 1, 0, -1):
        tags[t - 1] = back[t, tags[t]]
    return tags


def posterior(chain: Chain, emit: FloatArray) -> Posterior:
    """Forward-backward, rescaled at every word. `emit`: float64 (n, k), n >= 1."""
    n, k = emit.shape
    here = np.exp(np.maximum(emit - emit.max(axis=1, keepdims=True), FLOOR))
    step = np.exp(chain.step)
    ahead = np.ones((n, k))
    for t in range(n - 2, -1, -1):
        ahead[t] = step @ (here[t + 1] * ahead[t + 1])
        ahead[t] /= ahead[t].max()
    move = step * (here[1:] * ahead[1:])[:, None, :]
    move /= move.sum(axis=2, keepdims=True)
    node = np.empty((n, k))
    first = np.exp(chain.start - chain.start.max()) * here[0] * ahead[0]
    node[0] = first / first.sum()
    for t in range(1, n):
        node[t] = node[t - 1] @ move[t - 1]
    return Posterior(node, move)
