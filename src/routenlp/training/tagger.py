"""Fits taggers: one conditional random field a label set, and the temperature at which its probabilities are true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from routenlp.backends.student.tagger import SCHEMA, LabelSet, Tagger, answer, with_neighbours, write_spans
from routenlp.backends.student.word_features import word_features
from routenlp.contracts import TokenEncoder
from routenlp.errors import TrainingError
from routenlp.grading.entities import Entity, from_text
from routenlp.training.crf import Fitted, Observations, Penalty, fit_chain, lay_out, likelihood
from routenlp.training.fitted import FittedStudent
from routenlp.training.spans import Marked, lists_mentions, mark
from routenlp.types import Example, Prediction, Query, Vectors


@dataclass(frozen=True, slots=True)
class TaggerFit:
    """How taggers are fitted."""

    min_count: int = 3
    """Features seen less often are dropped."""
    penalty: Penalty = field(default_factory=lambda: Penalty(lexical=1.0, dense=300.0, move=0.1))
    max_steps: int = 30
    finishing_steps: int = 20
    held_out: float = 0.2
    """Share of the rows on which the temperature is found, by a fit on the others."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """The marked texts of one label set, and their vectors where there is an encoder."""

    types: tuple[str, ...]
    mentions: bool
    queries: tuple[Query, ...]
    texts: tuple[Marked, ...]
    vectors: tuple[Vectors | None, ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Words of each text."""
        return np.array([len(text.words) for text in self.texts], dtype=np.int64)

    @property
    def tags(self) -> NDArray[np.int64]:
        """Tags of all words, text after text."""
        return np.concatenate([write_spans(text.spans, len(text.words)) for text in self.texts])


def fit_tagger(
    examples: Sequence[Example], *, encoder: TokenEncoder | None, seed: int, how: TaggerFit | None = None
) -> FittedStudent[Tagger]:
    """Fits on all `examples`; with an encoder on its word vectors too. Rows without a label set are left out.

    Raises `TrainingError` when no row names a label set and has words and a readable reference.
    """
    how = how or TaggerFit()
    fitted: dict[str, LabelSet] = {}
    held_out: dict[str, Prediction] = {}
    for name, corpus in gather(examples, encoder).items():
        fitted[name] = _fit(corpus, how, seed, held_out)
    if not fitted:
        raise TrainingError(
            "tagger",
            f"none of {len(examples)} rows can be learned from",
            f"Give rows with metadata[{SCHEMA!r}], a text, and a reference that lists entities as JSON.",
        )
    return FittedStudent(Tagger(fitted, encoder), held_out)


def gather(examples: Sequence[Example], encoder: TokenEncoder | None) -> dict[str, Corpus]:
    """The usable rows, by label set in order of name."""
    rows: dict[str, list[_Row]] = {}
    for example in examples:
        entities, name = from_text(example.reference), example.query.metadata.get(SCHEMA)
        if name and entities is not None and example.query.text.strip():
            rows.setdefault(name, []).append((example.query, entities))
    return {name: _corpus(rows[name], encoder) for name in sorted(rows)}


_Row = tuple[Query, tuple[Entity, ...]]


def _corpus(rows: Sequence[_Row], encoder: TokenEncoder | None) -> Corpus:
    types = tuple(sorted({entity.type for _, entities in rows for entity in entities}))
    mentions = lists_mentions([(query.text, entities) for query, entities in rows])
    texts = tuple(mark(query.text, entities, types, mentions=mentions) for query, entities in rows)
    vectors = encoder.encode_words([[word.form for word in text.words] for text in texts]) if encoder else None
    queries = tuple(query for query, _ in rows)
    return Corpus(types, mentions, queries, texts, tuple(vectors) if vectors is not None else (None,) * len(rows))


def _fit(corpus: Corpus, how: TaggerFit, seed: int, held_out: dict[str, Prediction]) -> LabelSet:
    """A rehearsal on most rows finds the temperature on the rest; then the fit goes on from there with all rows.

    Adds to `held_out` what the rehearsal says of the rest.
    """
    studied = _study(corpus, how)
    order = np.random.default_rng(seed).permutation(len(corpus.texts))
    apart = int(len(order) * how.held_out)
    fitted = studied.fit(how, order[apart:], begin=None, max_steps=how.max_steps)
    if not apart:
        return _label_set(corpus, studied, fitted)
    temperature = find_temperature(fitted, studied, order[:apart])
    rehearsal = _label_set(corpus, studied, fitted.tempered(temperature))
    for row in order[:apart].tolist():
        query, words = corpus.queries[row], corpus.texts[row].words
        held_out[query.id] = answer(rehearsal, query.text, words, corpus.vectors[row])
    finished = studied.fit(how, order, begin=fitted, max_steps=how.finishing_steps)
    return _label_set(corpus, studied, finished.tempered(temperature))


@dataclass(frozen=True, slots=True)
class Studied:
    """What is seen of a corpus, and how to see another text so."""

    seen: Observations
    tags: NDArray[np.int64]
    forbidden: NDArray[np.bool_]
    known: NDArray[np.uint32]
    mean: Vectors
    scale: Vectors

    def fit(self, how: TaggerFit, texts: NDArray[np.int64], begin: Fitted | None, max_steps: int) -> Fitted:
        """Weights from some of the texts."""
        return fit_chain(
            self.seen, self.tags, self.forbidden, how.penalty, sentences=texts, begin=begin, max_steps=max_steps
        )


def _study(corpus: Corpus, how: TaggerFit) -> Studied:
    features = np.concatenate([word_features([word.form for word in text.words]) for text in corpus.texts])
    known, counts = np.unique(features, return_counts=True)
    known = known[counts >= how.min_count]
    dense, mean, scale = _standardise(corpus)
    seen = Observations(count_features(features, known), dense, corpus.lengths)
    return Studied(seen, corpus.tags, forbidden_moves(len(corpus.types)), known, mean, scale)


def _label_set(corpus: Corpus, studied: Studied, fitted: Fitted) -> LabelSet:
    """Folds the standardisation into the weights."""
    dense = fitted.dense / studied.scale[:, None]
    constant = -(studied.mean @ dense)[None, :]
    nothing = np.zeros((1, fitted.lexical.shape[1]), dtype=np.float32)
    return LabelSet(
        types=corpus.types,
        unique=not corpus.mentions,
        known=studied.known,
        lexical=np.vstack([fitted.lexical, nothing]),
        dense=np.vstack([dense, constant]),
        chain=fitted.chain,
    )


def count_features(features: NDArray[np.uint32], known: NDArray[np.uint32]) -> sparse.csr_matrix:
    """CSR (words, known features)."""
    if not len(known):
        return sparse.csr_matrix((len(features), 0), dtype=np.float32)
    at = np.minimum(np.searchsorted(known, features), len(known) - 1).astype(np.int32)
    hit = known[at] == features
    bounds = np.concatenate([[0], np.cumsum(hit.sum(axis=1))]).astype(np.int32)
    ones = np.ones(int(bounds[-1]), dtype=np.float32)
    return sparse.csr_matrix((ones, at[hit], bounds), shape=(len(features), len(known)))


def _standardise(corpus: Corpus) -> tuple[Vectors, Vectors, Vectors]:
    """Vectors in context with mean 0 and deviation 1 in each dimension; that mean and deviation."""
    vectors = [matrix for matrix in corpus.vectors if matrix is not None]
    if not vectors:
        none = np.zeros(0, dtype=np.float32)
        return np.zeros((int(corpus.lengths.sum()), 0), dtype=np.float32), none, none
    dense = np.concatenate([with_neighbours(matrix) for matrix in vectors])
    mean, scale = dense.mean(axis=0), np.maximum(dense.std(axis=0), np.float32(1e-6))
    dense -= mean
    dense /= scale
    return dense, mean, scale


def forbidden_moves(types: int) -> NDArray[np.bool_]:
    """bool (k + 1, k), as `fit_chain` takes it: I-type comes after B-type or I-type only, and never first."""
    k = 1 + 2 * types
    forbidden = np.zeros((k + 1, k), dtype=np.bool_)
    for inside in range(2, k, 2):
        forbidden[:, inside] = True
        forbidden[[inside - 1, inside], inside] = False
    return forbidden


def find_temperature(fitted: Fitted, studied: Studied, texts: NDArray[np.int64]) -> float:
    """The temperature, of a grid from 0.7 to 3, at which the references of these texts are likeliest."""
    layout = lay_out(studied.seen.lengths[texts])
    words = studied.seen.words_of(texts)[layout.rows]
    emit = studied.seen.lexical[words] @ fitted.lexical + studied.seen.dense[words] @ fitted.dense
    gold = studied.tags[words]

    def fit(temperature: float) -> float:
        return likelihood(fitted.chain.tempered(temperature), emit / np.float32(temperature), gold, layout).value

    return float(max(np.geomspace(0.7, 3.0, 24).tolist(), key=fit))
