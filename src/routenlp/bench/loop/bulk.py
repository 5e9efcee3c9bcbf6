"""Students answer thousands of rows a round: texts are hashed once for all rounds, and heads are products of matrices.

A row's prediction is the one that the student gives alone, but for rounding in the last digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from routenlp.backends.encoders.ngrams import Hashes, NgramHasher, NgramVocabulary
from routenlp.backends.student.classifier import Classifier, NgramHead
from routenlp.backends.student.tagger import SCHEMA, UNKNOWN, Tagger, answer
from routenlp.backends.student.word_features import Word, split_words, word_features
from routenlp.contracts import Student
from routenlp.types import FloatArray, Prediction, Query, Vectors

_ROWS_AT_ONCE = 1_000


@dataclass(slots=True)
class HashedTexts:
    """The n-grams of every text that was asked about, each text hashed once a hasher."""

    _known: dict[tuple[NgramHasher, str], tuple[Hashes, Vectors]] = field(default_factory=dict)
    _words: dict[str, tuple[list[Word], Hashes]] = field(default_factory=dict)

    def counts(self, hasher: NgramHasher, text: str) -> tuple[Hashes, Vectors]:
        """Distinct hashes, rising, and 1 + ln(count) of each."""
        key = (hasher, text)
        if key not in self._known:
            hashes, counts = np.unique(hasher.hashes(text), return_counts=True)
            self._known[key] = hashes, (1.0 + np.log(counts)).astype(np.float32)
        return self._known[key]

    def words(self, text: str) -> tuple[list[Word], Hashes]:
        """The words that a tagger sees, and their features."""
        if text not in self._words:
            words = split_words(text)
            forms = [word.form for word in words]
            self._words[text] = words, word_features(forms) if forms else np.empty(0, dtype=np.uint32)
        return self._words[text]

    def rows(self, vocabulary: NgramVocabulary, texts: Sequence[str]) -> Any:
        """What `vocabulary.row` gives for each text, as a scipy CSR matrix (n, v)."""
        counted = [self.counts(vocabulary.hasher, text) for text in texts]
        lengths = np.array([len(hashes) for hashes, _ in counted], dtype=np.int64)
        hashes = np.concatenate([h for h, _ in counted]) if counted else np.empty(0, dtype=np.uint32)
        weights = np.concatenate([w for _, w in counted]) if counted else np.empty(0, dtype=np.float32)
        width = len(vocabulary.known)
        at = np.minimum(np.searchsorted(vocabulary.known, hashes), max(width - 1, 0))
        hit = vocabulary.known[at] == hashes if width else np.zeros(len(hashes), dtype=np.bool_)
        row_of = np.repeat(np.arange(len(counted)), lengths)[hit]
        values = weights[hit] * vocabulary.idf[at[hit]]
        norms = np.sqrt(np.bincount(row_of, values.astype(np.float64) ** 2, minlength=len(counted)))
        values = (values / np.maximum(norms[row_of], 1e-30)).astype(np.float32)
        ends = np.concatenate([[0], np.cumsum(np.bincount(row_of, minlength=len(counted)))])
        return sparse.csr_matrix((values, at[hit], ends), shape=(len(counted), width))


def answer_all(student: Student, queries: Sequence[Query], texts: HashedTexts) -> list[Prediction]:
    """`student.predict(queries)`, by what is known of the texts already where the student is a classifier or tagger."""
    out: list[Prediction] = []
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        block = queries[start : start + _ROWS_AT_ONCE]
        if isinstance(student, Classifier):
            out += _classify(student, [q.text for q in block], texts)
        elif isinstance(student, Tagger):
            out += _tag(student, block, texts)
        else:
            out += student.predict(block)
    return out


def _tag(student: Tagger, queries: Sequence[Query], texts: HashedTexts) -> list[Prediction]:
    seen = [texts.words(query.text) for query in queries]
    vectors: Sequence[Vectors | None] = [None] * len(queries)
    if student.encoder is not None:
        vectors = student.encoder.encode_words([[word.form for word in words] for words, _ in seen])
    out = []
    for query, (words, features), own in zip(queries, seen, vectors, strict=True):
        label_set = student.label_sets.get(query.metadata.get(SCHEMA, ""))
        out.append(UNKNOWN if label_set is None else answer(label_set, query.text, words, own, features))
    return out


def _classify(student: Classifier, texts: Sequence[str], hashed: HashedTexts) -> list[Prediction]:
    heads = [_linear(student.ngrams, texts, hashed)]
    if student.kernel is not None and student.encoder is not None:
        kernel = student.kernel
        units = kernel.projection.apply(student.encoder.encode(texts))
        near = np.exp(np.float32(2.0 * kernel.gamma) * (units @ kernel.anchors.T - np.float32(1.0)))
        heads.append(near @ kernel.duals + kernel.mean)
    scores = np.stack(heads, axis=1).astype(np.float64)
    chosen, evidence = student.mixture.evidence(scores)
    logits = evidence @ student.mixture.trust + student.mixture.label_trust[chosen]
    right = 1.0 / (1.0 + np.exp(-logits))
    commonest = int(student.prior.argmax())
    blank = Prediction(student.labels[commonest], (float(student.prior[commonest]),))
    return [
        Prediction(student.labels[int(label)], (float(p),)) if text.strip() else blank
        for text, label, p in zip(texts, chosen, right, strict=True)
    ]


def _linear(head: NgramHead, texts: Sequence[str], hashed: HashedTexts) -> FloatArray:
    rows = hashed.rows(head.vocabulary, texts)
    return np.asarray(rows @ head.weights.astype(np.float32)) + head.bias
