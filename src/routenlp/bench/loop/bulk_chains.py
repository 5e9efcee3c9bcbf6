"""Many texts through one linear chain at once: the likeliest tags, and the few beliefs that an answer is made of.

Words are laid out time-major, longest text first, as `training.crf` does: each step of the recursions is one product
over the texts that still have a word there. The notation, and what forbids what, is `backends.student.chain`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.chain import FLOOR, Chain
from routenlp.training.crf import Layout, lay_out
from routenlp.types import FloatArray

Tags = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """Of every word, text after text, shape (n,) each."""

    tags: Tags
    here: FloatArray
    """p(this tag), whatever came before."""
    given: FloatArray
    """p(this tag | the tag of the word before); at a first word, p(this tag)."""
    goes_on: FloatArray
    """p(the next word continues this word's entity | this tag); 0 at a last word, and where the tag is O."""


def decode(chain: Chain, emit: FloatArray, lengths: NDArray[np.int64]) -> Decoded:
    """`emit`: float64 (n, k), the words of all texts, one after the other; each text has a word at least."""
    layout = lay_out(lengths)
    laid = emit[layout.rows]
    found = _beliefs(chain, laid, _viterbi(chain, laid, layout), layout)
    order = np.argsort(layout.rows)
    return Decoded(found.tags[order], found.here[order], found.given[order], found.goes_on[order])


def _viterbi(chain: Chain, emit: FloatArray, layout: Layout) -> Tags:
    score: FloatArray = np.empty_like(emit)
    back = np.zeros(emit.shape, dtype=np.int64)
    into = chain.step.T[None]
    score[layout.at(0)] = chain.start + emit[layout.at(0)]
    for t in layout.steps[1:]:
        at = layout.at(t)
        reach = into + score[layout.before(t)][:, None, :]
        back[at] = reach.argmax(axis=2)
        score[at] = np.take_along_axis(reach, back[at][:, :, None], axis=2)[:, :, 0] + emit[at]
    tags: Tags = score.argmax(axis=1)  # right at last words; the others are overwritten by those after them
    for t in reversed(layout.steps[1:]):
        at = layout.at(t)
        tags[layout.before(t)] = np.take_along_axis(back[at], tags[at][:, None], axis=1)[:, 0]
    return tags


def _beliefs(chain: Chain, emit: FloatArray, tags: Tags, layout: Layout) -> Decoded:
    """Forward-backward, rescaled at every word, kept only along the tags."""
    step, first = np.exp(chain.step), layout.at(0)
    onward = np.exp(np.maximum(emit - emit.max(axis=1, keepdims=True), FLOOR))  # p(words from here on | this tag)
    total = np.ones_like(emit)  # of what may follow this tag, before rescaling
    for t in reversed(layout.steps[1:]):
        at, before = layout.at(t), layout.before(t)
        total[before] = onward[at] @ step.T
        onward[before] *= total[before] / total[before].max(axis=1, keepdims=True)
    node = np.empty_like(emit)
    began = np.exp(chain.start - chain.start.max()) * onward[first]
    node[first] = began / began.sum(axis=1, keepdims=True)
    for t in layout.steps[1:]:
        at, before = layout.at(t), layout.before(t)
        node[at] = ((node[before] / total[before]) @ step) * onward[at]
    return _along(tags, node[np.arange(len(tags)), tags], step, onward, total, layout)


def _along(
    tags: Tags, here: FloatArray, step: FloatArray, onward: FloatArray, total: FloatArray, layout: Layout
) -> Decoded:
    """From p(a tag's move) = step * onward / total, looked at only where the answer needs it."""
    given, goes_on = here.copy(), np.zeros(len(tags))
    before, after = layout.moves()
    tag = tags[before]
    inside = 2 * ((tag + 1) // 2)
    may = step[tag] * onward[after] / total[before, tag][:, None]
    places = np.arange(len(tag))
    given[after] = may[places, tags[after]]
    goes_on[before] = np.where(tag > 0, may[places, inside], 0.0)
    return Decoded(tags, here, given, goes_on)
