"""Student `tagger`: the entities of a text, by one linear chain a label set (Lafferty, McCallum & Pereira 2001).

A query names the label set that it asks for in `metadata["schema"]`. The words of its text are scored by hashed
lexical features, and by the vectors of a token encoder where there is one; the likeliest legal sequence of tags
(B-type, I-type, O) is read as entities.

`token_probs` has one probability a *decision* of the answer: for each entity listed, in order, that exactly these
words are an entity of this type; and last, that nothing else is one. Why these: docs/decisions/tagger.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.chain import Chain, Posterior, posterior, viterbi
from routenlp.backends.student.word_features import Word, split_words, word_features
from routenlp.contracts import TokenEncoder
from routenlp.errors import ArtefactError
from routenlp.grading.entities import Entity, to_text
from routenlp.types import FloatArray, Parts, Prediction, Query, Vectors

KIND = "tagger"
SCHEMA = "schema"
"""The key of `Query.metadata` that names the label set asked for."""

_BATCH = 128
UNKNOWN = Prediction("[]", (0.0,))


@dataclass(frozen=True, slots=True)
class Span:
    """Words first..last (both included) are an entity of type number `type`."""

    first: int
    last: int
    type: int


def read_spans(tags: NDArray[np.int64]) -> list[Span]:
    """Tag 0 is O, 1 + 2i begins an entity of type i, 2 + 2i continues it."""
    begins = np.flatnonzero(tags % 2 == 1)
    out: list[Span] = []
    for first in begins.tolist():
        last = first
        while last + 1 < len(tags) and tags[last + 1] == tags[first] + 1:
            last += 1
        out.append(Span(first, last, int(tags[first]) // 2))
    return out


def write_spans(spans: Sequence[Span], length: int) -> NDArray[np.int64]:
    """Tags of `length` words, the inverse of `read_spans`. Spans must not overlap."""
    tags = np.zeros(length, dtype=np.int64)
    for span in spans:
        tags[span.first : span.last + 1] = 2 + 2 * span.type
        tags[span.first] = 1 + 2 * span.type
    return tags


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The weights for one label set: f lexical features, 3d dimensions of context, k = 1 + 2 * len(types) tags."""

    types: tuple[str, ...]
    unique: bool
    """True where references list each (type, text) once, sorted, however often the text has it."""
    known: NDArray[np.uint32]
    """Sorted, shape (f,)."""
    lexical: Vectors
    """(f + 1, k); the last row, for features never seen, is 0."""
    dense: Vectors
    """(3d + 1, k): weights of the vectors of the word before, the word, and the word after; then a constant."""
    chain: Chain

    def emissions(self, features: NDArray[np.uint32], vectors: Vectors | None) -> FloatArray:
        """Log scores of n words, (n, k), from their `word_features`."""
        at = np.searchsorted(self.known, features)
        if len(self.known):
            at[self.known[np.minimum(at, len(self.known) - 1)] != features] = len(self.known)
        scores = self.lexical[at].sum(axis=1)
        if vectors is not None:
            scores += with_neighbours(vectors) @ self.dense[:-1] + self.dense[-1]
        emissions: FloatArray = scores.astype(np.float64)
        return emissions


def with_neighbours(vectors: Vectors) -> Vectors:
    """(n, d) to (n, 3d): each vector between those of the words before and after; zeros beyond the text."""
    edge = np.zeros((1, vectors.shape[1]), dtype=vectors.dtype)
    return np.hstack([np.vstack([edge, vectors[:-1]]), vectors, np.vstack([vectors[1:], edge])])


@dataclass(frozen=True, slots=True)
class Tagger:
    """Answers entity queries. Build it with `training.tagger.fit_tagger` or `from_parts`."""

    label_sets: Mapping[str, LabelSet]
    encoder: TokenEncoder | None

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Entities as canonical JSON, in the order of the text (sorted where references are).

        A label set that training did not see, or none, is answered "[]" with probability 0: it is never sure.
        A text without words has no entities, for sure. Only the first `MAX_WORDS` words are tagged.
        """
        out: list[Prediction] = []
        for begin in range(0, len(queries), _BATCH):
            out.extend(self._predict(queries[begin : begin + _BATCH]))
        return out

    def _predict(self, queries: Sequence[Query]) -> list[Prediction]:
        label_sets = [self.label_sets.get(query.metadata.get(SCHEMA, "")) for query in queries]
        words = [split_words(q.text) if known else [] for q, known in zip(queries, label_sets, strict=True)]
        vectors = self._encode(words)
        return [
            UNKNOWN if label_set is None else answer(label_set, query.text, its_words, its_vectors)
            for label_set, query, its_words, its_vectors in zip(label_sets, queries, words, vectors, strict=True)
        ]

    def _encode(self, words: Sequence[Sequence[Word]]) -> Sequence[Vectors | None]:
        if self.encoder is None:
            return [None] * len(words)
        return self.encoder.encode_words([[word.form for word in text] for text in words])

    def parts(self) -> Parts:
        """Arrays by label set; weights as float16, probabilities differ by less than 0.01 for it."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for name, label_set in self.label_sets.items():
            arrays[f"{name}/known"] = label_set.known
            arrays[f"{name}/lexical"] = label_set.lexical.astype(np.float16)
            arrays[f"{name}/dense"] = label_set.dense.astype(np.float16)
            arrays[f"{name}/start"] = label_set.chain.start
            arrays[f"{name}/step"] = label_set.chain.step
        described = [{"name": n, "types": list(s.types), "unique": s.unique} for n, s in self.label_sets.items()]
        return Parts(KIND, arrays, {"label_sets": described, "encoder": self.encoder.name if self.encoder else None})

    @classmethod
    def from_parts(cls, parts: Parts, encoder: TokenEncoder | None = None) -> Tagger:
        """Raises `ArtefactError` when a part is missing or `encoder` is not the one that it was trained on."""
        wanted, given = parts.meta.get("encoder"), encoder.name if encoder else None
        if wanted is not None and wanted != given:
            raise ArtefactError(
                KIND, f"trained on the vectors of {wanted!r}, not of {given!r}", "pass that encoder, or train again"
            )
        described = parts.meta.get("label_sets")
        if not isinstance(described, list):
            raise ArtefactError(KIND, "its description lists no label sets", "train again")
        label_sets = {str(row["name"]): _label_set(parts, row) for row in described}
        return cls(label_sets, encoder if wanted is not None else None)


def _label_set(parts: Parts, described: Mapping[str, object]) -> LabelSet:
    name, types = described["name"], described["types"]
    assert isinstance(types, list)
    try:
        known, lexical, dense, start, step = (
            np.asarray(parts.arrays[f"{name}/{part}"]) for part in ("known", "lexical", "dense", "start", "step")
        )
    except KeyError as missing:
        raise ArtefactError(KIND, f"has no part {missing}", "train again") from missing
    return LabelSet(
        types=tuple(str(t) for t in types),
        unique=bool(described["unique"]),
        known=known.astype(np.uint32),
        lexical=lexical.astype(np.float32),
        dense=dense.astype(np.float32),
        chain=Chain(start.astype(np.float64), step.astype(np.float64)),
    )


def answer(
    label_set: LabelSet,
    text: str,
    words: Sequence[Word],
    vectors: Vectors | None,
    features: NDArray[np.uint32] | None = None,
) -> Prediction:
    """What a tagger says of one text. `words`: of `split_words`. `vectors`: (len(words), d), where it has weights.

    `features`: their `word_features`, where the caller has them already.
    """
    if not words:
        return Prediction("[]", (1.0,))
    emit = label_set.emissions(word_features([word.form for word in words]) if features is None else features, vectors)
    tags = viterbi(label_set.chain, emit)
    spans = read_spans(tags)
    belief = posterior(label_set.chain, emit)
    return write_answer(
        label_set, text, words, spans, [*(exactly(belief, tags, span) for span in spans), complete(belief, tags)]
    )


def write_answer(
    label_set: LabelSet, text: str, words: Sequence[Word], spans: Sequence[Span], beliefs: Sequence[float]
) -> Prediction:
    """The entities of `spans`. `beliefs`: one a span, and last that nothing else is one."""
    entities = [Entity(label_set.types[s.type], text[words[s.first].start : words[s.last].end]) for s in spans]
    *probs, nothing_else = beliefs
    if label_set.unique:
        surest: dict[Entity, float] = {}
        for entity, prob in zip(entities, probs, strict=True):
            surest[entity] = max(prob, surest.get(entity, 0.0))
        entities = sorted(surest)
        probs = [surest[entity] for entity in entities]
    return Prediction(to_text(entities), (*probs, nothing_else))


def exactly(belief: Posterior, tags: NDArray[np.int64], span: Span) -> float:
    """Probability that exactly these words are an entity of this type."""
    here = belief.run(span.first, tags[span.first : span.last + 1])
    if span.last + 1 == len(tags):
        return here
    return here * (1.0 - float(belief.move[span.last, tags[span.last], 2 + 2 * span.type]))


def complete(belief: Posterior, tags: NDArray[np.int64]) -> float:
    """Probability that every word outside the spans is O, each given the answer before it: nothing else is there."""
    here = np.arange(len(tags) - 1)
    given = np.concatenate([belief.node[:1, tags[0]], belief.move[here, tags[:-1], tags[1:]]])
    return float(np.prod(given[tags == 0]))
