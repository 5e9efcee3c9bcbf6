"""Fits a linear-chain conditional random field: the weights that make the references likeliest, less a penalty.

All sentences advance together: words are laid out time-major, longest sentence first, so that step t of the
recursions is one matrix product over the sentences that still have a word t, with no padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from routenlp.backends.student.chain import Chain
from routenlp.training.lbfgs import minimise
from routenlp.types import FloatArray, Vectors

_FLOOR = np.float32(-40.0)
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the words of all sentences lie when they are sorted by position, then by falling sentence length.

    `rows`: int64 (n,), for each place the word's index in sentence-major order. `starts`: int64 (longest + 1,):
    words at position t lie in starts[t]:starts[t + 1]; sentence i of them is the i-th longest.
    """

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def steps(self) -> range:
        """Positions of the longest sentence."""
        return range(len(self.starts) - 1)

    def at(self, t: int) -> slice:
        """Places of the words at position t."""
        return slice(int(self.starts[t]), int(self.starts[t + 1]))

    def before(self, t: int) -> slice:
        """Places of the words before those at position t."""
        begin = int(self.starts[t - 1])
        return slice(begin, begin + int(self.starts[t + 1] - self.starts[t]))

    def moves(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of all pairs of neighbours: the word before, and its successor."""
        after = np.arange(self.starts[1], self.starts[-1])
        counts = np.diff(self.starts)[:-1]
        before = after - np.repeat(counts, np.diff(self.starts)[1:])
        return before, after


def lay_out(sizes: NDArray[np.int64]) -> Layout:
    """The layout of sentences of these lengths, each at least 1."""
    order = np.argsort(-sizes, kind="stable")
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])[order]
    active = [int((sizes > t).sum()) for t in range(int(sizes.max()))]
    rows = np.concatenate([begins[:count] + t for t, count in enumerate(active)])
    return Layout(rows, np.concatenate([[0], np.cumsum(active)]).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-likelihood of the references, and its gradient by emission, start and step."""

    value: float
    emit: Vectors
    start: FloatArray
    step: FloatArray


def likelihood(chain: Chain, emit: Vectors, gold: NDArray[np.int64], layout: Layout) -> Likelihood:
    """Exact, by forward-backward over all sentences at once. `emit`: (n, k) and `gold`: (n,), in layout order."""
    top = emit.max(axis=1, keepdims=True)
    here = np.exp(np.maximum(emit - top, _FLOOR))
    step, start = np.exp(chain.step).astype(np.float32), np.exp(chain.start).astype(np.float32)
    ahead = np.empty_like(emit)  # p(this tag, words up to here), scaled to sum to 1
    scale = np.empty((len(emit), 1), dtype=np.float32)
    for t in layout.steps:
        at = layout.at(t)
        value = here[at] * (start if t == 0 else ahead[layout.before(t)] @ step)
        scale[at] = value.sum(axis=1, keepdims=True)
        ahead[at] = value / scale[at]
    here /= scale
    behind = np.ones_like(emit)  # p(words after here | this tag), by the same scales
    for t in reversed(layout.steps[1:]):
        at = layout.at(t)
        here[at] *= behind[at]  # from now on: p(words from here on | this tag)
        behind[layout.before(t)] = here[at] @ step.T
    node = ahead * behind
    node /= node.sum(axis=1, keepdims=True)
    k, first = len(start), layout.at(0)
    before, after = layout.moves()
    pairs = np.bincount(gold[before] * k + gold[after], minlength=k * k).reshape(k, k)
    opening = np.bincount(gold[first], minlength=k)
    places = np.arange(len(emit))
    score = _total(emit[places, gold]) + _score(opening, chain.start) + _score(pairs, chain.step)
    edges = (ahead[before].T @ here[after]) * step
    started = node[first].sum(axis=0)
    np.negative(node, out=node)
    node[places, gold] += 1.0
    value = score - _total(np.log(scale)) - _total(top)
    return Likelihood(value, emit=node, start=opening - started, step=pairs - edges)


def _total(values: Vectors) -> float:
    return float(values.sum(dtype=np.float64))


def _score(counts: NDArray[np.int64], scores: FloatArray) -> float:
    """Sum of counts times scores; a score of -inf that never counts adds nothing."""
    used = counts > 0
    return float(counts[used] @ scores[used])


@dataclass(frozen=True, slots=True)
class Penalty:
    """Strength of the L2 penalty, per weight: 0.5 * strength * weight^2."""

    lexical: float
    dense: float
    move: float


@dataclass(frozen=True, slots=True)
class Observations:
    """What the tags are predicted from, in sentence-major order: n words of all sentences.

    `lexical`: CSR float32 (n, f) of feature counts. `dense`: float32 (n, d), standardised; d may be 0.
    """

    lexical: sparse.csr_matrix
    dense: Vectors
    lengths: NDArray[np.int64]

    def words_of(self, sentences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the words of these sentences, sentence after sentence."""
        begins = np.concatenate([[0], np.cumsum(self.lengths)])
        return np.concatenate([np.arange(begins[i], begins[i + 1]) for i in sentences])


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights: `lexical` (f, k) and `dense` (d, k), float32, and the chain."""

    lexical: Vectors
    dense: Vectors
    chain: Chain

    def tempered(self, temperature: float) -> Fitted:
        """The same likeliest tags, less sure (temperature > 1) or surer."""
        by = np.float32(temperature)
        return Fitted(self.lexical / by, self.dense / by, self.chain.tempered(temperature))

    def flat(self) -> Vectors:
        """All weights in one row; forbidden moves are 0."""
        moves = np.vstack([self.chain.step, self.chain.start])
        allowed = np.where(np.isfinite(moves), moves, 0.0).astype(np.float32)
        return np.concatenate([self.lexical.ravel(), self.dense.ravel(), allowed.ravel()])


def fit_chain(
    seen: Observations,
    tags: NDArray[np.int64],
    forbidden: NDArray[np.bool_],
    penalty: Penalty,
    *,
    sentences: NDArray[np.int64],
    begin: Fitted | None,
    max_steps: int,
) -> Fitted:
    """Maximum a posteriori weights by L-BFGS, at most `max_steps` iterations. Deterministic.

    `tags`: (n,) in sentence-major order. `forbidden`: bool (k + 1, k): row k says which tags cannot come first, row a
    which cannot follow tag a. `sentences`: the ones to learn from. `begin`: where the search begins, None for zeros.
    """
    layout = lay_out(seen.lengths[sentences])
    rows = seen.words_of(sentences)[layout.rows]
    lexical, dense, gold = seen.lexical[rows], seen.dense[rows], tags[rows]
    flipped = lexical.T.tocsr()
    k = forbidden.shape[1]
    shapes = ((lexical.shape[1], k), (dense.shape[1], k), (k + 1, k))
    sizes = [rows * columns for rows, columns in shapes]
    strength = np.repeat(np.array([penalty.lexical, penalty.dense, penalty.move], dtype=np.float32), sizes)

    def unpack(weights: Vectors) -> list[Vectors]:
        return [p.reshape(s) for p, s in zip(np.split(weights, np.cumsum(sizes)[:-1]), shapes, strict=True)]

    def chain_of(moves: Vectors) -> Chain:
        allowed = np.where(forbidden, -np.inf, moves.astype(np.float64))
        return Chain(allowed[k], allowed[:k])

    def loss(weights: Vectors) -> tuple[float, Vectors]:
        by_feature, by_dimension, moves = unpack(weights)
        fit = likelihood(chain_of(moves), lexical @ by_feature + dense @ by_dimension, gold, layout)
        by_move = np.where(forbidden, 0.0, np.vstack([fit.step, fit.start])).astype(np.float32)
        penalised = strength * weights
        gradient = np.concatenate([(flipped @ fit.emit).ravel(), (dense.T @ fit.emit).ravel(), by_move.ravel()])
        return 0.5 * float(weights @ penalised) - fit.value, penalised - gradient

    origin = np.zeros(sum(sizes), dtype=np.float32) if begin is None else begin.flat()
    found = minimise(loss, origin, max_steps=max_steps, tolerance=_TOLERANCE)
    by_feature, by_dimension, moves = unpack(found)
    return Fitted(by_feature, by_dimension, chain_of(moves))
