"""What students see of texts before they weigh it, made once a text for all rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from routenlp.backends.encoders.ngrams import Hashes, NgramHasher, NgramVocabulary
from routenlp.backends.student.word_features import Word, split_words, word_features
from routenlp.types import Vectors


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
