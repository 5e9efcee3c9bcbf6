"""Stored replies, and the index that finds contexts like a given one. What both reply retrievers stand on.

A context is a conversation, one turn a line, each turn opened by its role. What is answered is its last turn; the
turn before says what that one refers to; the rest is background. Each of the three is a *field* with posting lists
of its own, and contexts are compared field by field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.ngrams import NgramHasher, NgramVocabulary
from routenlp.errors import ArtefactError
from routenlp.grading.rouge import rouge_tokens
from routenlp.types import FloatArray, Prediction, Vectors

FIELDS = ("last", "previous", "earlier")
MAX_TURNS = 4
"""Turns that are looked at, counted from the end."""

CONTEXT_NGRAMS = NgramHasher(words=(1,), chars=(4,), max_chars=2_048)

_NEXT_TURN = re.compile(r"\n(?=(?:Customer|Agent): )")
_ROLE = re.compile(r"\A(?:Customer|Agent): ")

Arrays = Mapping[str, NDArray[Any]]
Indices = NDArray[np.int64]


class Context(NamedTuple):
    """A conversation cut into the fields that are compared."""

    last: str
    """The turn to answer, without its role."""
    previous: str
    """The turn before it, with its role."""
    earlier: str


def read_context(text: str) -> Context:
    """Defined for every text: one without roles is a single turn."""
    turns = _NEXT_TURN.split(text)[-MAX_TURNS:]
    return Context(
        last=_ROLE.sub("", turns[-1]),
        previous=turns[-2] if len(turns) > 1 else "",
        earlier="\n".join(turns[:-2]),
    )


def ranges(starts: Indices, ends: Indices) -> Indices:
    """Every integer of every half-open range, range after range."""
    lengths = ends - starts
    shift = np.repeat(starts - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return shift + np.arange(len(shift))


@dataclass(frozen=True, slots=True)
class Postings:
    """A sparse matrix of stored rows, by column: column c is `rows[ends[c - 1]:ends[c]]` with `values` beside it."""

    rows: NDArray[np.int32]
    values: NDArray[np.float16]
    ends: Indices

    def scores(self, columns: Indices, weights: Vectors, n_rows: int) -> FloatArray:
        """Dot product of one sparse query with each stored row: float64 of shape (n_rows,)."""
        if not len(columns):
            return np.zeros(n_rows)
        starts, ends = np.where(columns > 0, self.ends[columns - 1], 0), self.ends[columns]
        at = ranges(starts, ends)
        products = self.values[at] * np.repeat(weights, ends - starts)
        return np.bincount(self.rows[at], weights=products, minlength=n_rows).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class ContextIndex:
    """Finds stored contexts by tf-idf cosine, field by field."""

    vocabulary: NgramVocabulary
    postings: tuple[Postings, ...]
    """One for each of FIELDS."""
    n_rows: int

    def similarities(self, context: Context) -> FloatArray:
        """Cosine with every stored context in each field: float64 of shape (3, n_rows); 0 where nothing is shared."""
        scores = [
            p.scores(*self.vocabulary.row(field), self.n_rows) for p, field in zip(self.postings, context, strict=True)
        ]
        return np.stack(scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` reads."""
        out: dict[str, NDArray[Any]] = {"index.known": self.vocabulary.known, "index.idf": self.vocabulary.idf}
        for field, p in zip(FIELDS, self.postings, strict=True):
            out |= {f"index.{field}.rows": p.rows, f"index.{field}.values": p.values, f"index.{field}.ends": p.ends}
        return out

    @classmethod
    def load(cls, arrays: Arrays, n_rows: int) -> Self:
        """From `arrays`. Raises KeyError for one that is missing."""
        vocabulary = NgramVocabulary(CONTEXT_NGRAMS, arrays["index.known"], arrays["index.idf"])
        postings = tuple(
            Postings(arrays[f"index.{f}.rows"], arrays[f"index.{f}.values"], arrays[f"index.{f}.ends"]) for f in FIELDS
        )
        return cls(vocabulary, postings, n_rows)


@dataclass(frozen=True, slots=True)
class ReplyStore:
    """The replies that can be given, and which words and word pairs each has.

    `grams`: sorted ids, reply after reply; `ends[i]` is where those of reply i end.
    """

    texts: tuple[str, ...]
    grams: NDArray[np.int32]
    ends: Indices
    words: NDArray[np.int32]
    """Length of each reply in words."""

    def agreement(self, chosen: Indices) -> Vectors:
        """F1 of shared words and word pairs between each two of `chosen`: float32 (k, k), 1 on the diagonal.

        Stands in for ROUGE-L, which would take milliseconds. Two replies without words agree by 0.
        """
        ends = self.ends[chosen]
        starts = np.where(chosen > 0, self.ends[chosen - 1], 0)
        _, column = np.unique(self.grams[ranges(starts, ends)], return_inverse=True)
        has = np.zeros((len(chosen), int(column.max(initial=0)) + 1), dtype=np.float32)
        has[np.repeat(np.arange(len(chosen)), ends - starts), column] = 1.0
        sizes = has.sum(axis=1)
        agreement: Vectors = 2.0 * (has @ has.T) / np.maximum(1.0, sizes[:, None] + sizes)
        return agreement

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` reads. Texts are UTF-8 that lets lone surrogates through."""
        raw = [text.encode("utf-8", "surrogatepass") for text in self.texts]
        return {
            "replies.bytes": np.frombuffer(b"".join(raw), dtype=np.uint8),
            "replies.byte_ends": np.cumsum([len(r) for r in raw], dtype=np.int64),
            "replies.grams": self.grams,
            "replies.gram_ends": self.ends,
            "replies.words": self.words,
        }

    @classmethod
    def load(cls, arrays: Arrays) -> Self:
        """From `arrays`. Raises KeyError for one that is missing."""
        raw, byte_ends = arrays["replies.bytes"].tobytes(), arrays["replies.byte_ends"].tolist()
        texts = tuple(
            raw[start:end].decode("utf-8", "surrogatepass")
            for start, end in zip([0, *byte_ends[:-1]], byte_ends, strict=True)
        )
        return cls(texts, arrays["replies.grams"], arrays["replies.gram_ends"], arrays["replies.words"])


def store_replies(texts: Sequence[str]) -> ReplyStore:
    """Takes the replies apart, once."""
    ids: dict[tuple[str, ...], int] = {}
    grams: list[int] = []
    ends: list[int] = []
    words: list[int] = []
    for text in texts:
        tokens = rouge_tokens(text)
        found = {(t,) for t in tokens} | set(pairwise(tokens))
        grams += sorted(ids.setdefault(gram, len(ids)) for gram in sorted(found))
        ends.append(len(grams))
        words.append(len(tokens))
    return ReplyStore(tuple(texts), np.array(grams, np.int32), np.array(ends, np.int64), np.array(words, np.int32))


def best(scores: FloatArray, count: int) -> Indices:
    """Positions of the `count` largest scores, largest first; of equal ones the earlier comes first.

    A score of -inf is out of reach, so that there may be fewer.
    """
    floor = np.partition(scores, -count)[-count] if count < len(scores) else -np.inf
    among = np.flatnonzero((scores >= floor) & (scores > -np.inf))
    return among[np.argsort(-scores[among], kind="stable")][:count]


def sigmoid(logit: float) -> float:
    """Of any finite logit, without overflow."""
    return float(0.5 * (1.0 + np.tanh(0.5 * logit)))


def softmax(similarity: FloatArray, temperature: float) -> FloatArray:
    """Weights of the same shape that sum to 1; the smaller the temperature, the more goes to the most similar."""
    weight = np.exp((similarity - similarity.max()) / temperature)
    normalised: FloatArray = weight / weight.sum()
    return normalised


@dataclass(frozen=True, slots=True)
class Fallback:
    """What is answered where nothing stored resembles the query."""

    reply: int
    p: float
    """Share of training rows that this one reply would have handled."""

    def prediction(self, store: ReplyStore) -> Prediction:
        """The same for every query."""
        return Prediction(store.texts[self.reply], (self.p,))

    def meta(self) -> dict[str, object]:
        """What `load` reads."""
        return {"fallback_reply": self.reply, "fallback_p": self.p}

    @classmethod
    def load(cls, meta: Mapping[str, Any]) -> Self:
        """From `meta`. Raises KeyError for a value that is missing."""
        return cls(int(meta["fallback_reply"]), float(meta["fallback_p"]))


@contextmanager
def stored(kind: str) -> Iterator[None]:
    """Turns what goes wrong while a student of `kind` is put together into `ArtefactError`."""
    try:
        yield
    except (KeyError, ValueError, TypeError) as exc:
        raise ArtefactError(kind, f"cannot be put together ({exc!r})", "Train the student again") from exc
