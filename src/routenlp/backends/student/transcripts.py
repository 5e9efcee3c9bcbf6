"""A transcript as arrays: its words, which sentence each stands in, and what a linear model can see of them.

A transcript is one sentence a line. Words are runs of anything but white space; the model sees them lower-cased,
without the punctuation around them, and with every run of digits as "#", so that "$3.34," and "$12.05" are both
"$#.#": which figure a company reports says nothing, that it is money with a fraction says much.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from routenlp.types import FloatArray, Vectors

Ids = NDArray[np.int64]
Columns = NDArray[np.int32]

MAX_CHARS = 200_000
"""Text beyond is not read: no call is that long, and the time of an answer stays bounded."""
MAX_WORDS = 100
"""A longer sentence is read in pieces of this many words."""

EDGE, UNKNOWN_WORD, UNKNOWN_NUMBER = 0, 1, 2
_FIRST_KNOWN = 3

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_DIGITS = re.compile(r"\d+")
_YEAR = re.compile(r"20\d\d")
_QUARTER = re.compile(r"\b(?:(first|second|third|fourth)[- ]quarter|(q[1-4]))\b")
_QUARTERS = (("q1", "fir"), ("q2", "sec"), ("q3", "thi"), ("q4", "fou"))
_AROUND = ".,;:!?()[]\"'"


def shape_of(word: str) -> str:
    """The word as the model sees it: lower-case, bare of punctuation, digits as "#", years as "year#"."""
    bare = word.lower().strip(_AROUND)
    if _YEAR.fullmatch(bare):
        return "year#"
    return _DIGITS.sub("#", bare)


@dataclass(frozen=True, slots=True, eq=False)
class Transcript:
    """The words of a text in order. Sentence i is `words[starts[i]:starts[i + 1]]`; none is empty."""

    words: list[str]
    starts: Ids
    """Shape (sentences + 1,); (0,) alone for a blank text."""

    quarter: str
    """The quarter that the call reports, "q1" to "q4"; "" where none is named."""

    @property
    def lengths(self) -> Ids:
        """Words in each sentence, shape (sentences,)."""
        return np.diff(self.starts)

    def sentence(self, i: int) -> list[str]:
        """The words of one sentence."""
        return self.words[int(self.starts[i]) : int(self.starts[i + 1])]


def read_transcript(text: str) -> Transcript:
    """One sentence a line; a text of one line is cut after each full stop, question or exclamation mark."""
    text = text[:MAX_CHARS].strip()
    lines = text.split("\n") if "\n" in text else _SENTENCE_END.split(text)
    words: list[str] = []
    starts = [0]
    for line in lines:
        sentence = line.split()
        words += sentence
        for _ in range(0, len(sentence), MAX_WORDS):
            starts.append(min(starts[-1] + MAX_WORDS, len(words)))
    return Transcript(words, np.array(starts, dtype=np.int64), _reported_quarter(text))


def _reported_quarter(text: str) -> str:
    """The quarter named most often: a call speaks more of the one that it reports than of any other."""
    named = Counter(word or ordinal[:3] for ordinal, word in _QUARTER.findall(text.lower()))
    totals = [named[quarter] + named[ordinal] for quarter, ordinal in _QUARTERS]
    return _QUARTERS[totals.index(max(totals))][0] if any(totals) else ""


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """The word shapes and pairs of neighbours that a model knows."""

    shapes: tuple[str, ...]
    """Known shapes; the id of the first is 3, after the edge of a sentence, other words and other numbers."""
    pairs: Ids
    """Sorted keys `left id * size + right id`, shape (p,)."""
    idf: Vectors
    """Inverse sentence frequency by id, shape (size,)."""
    _index: dict[str, int] = field(init=False, repr=False)
    _kinds: FloatArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {shape: i for i, shape in enumerate(self.shapes, _FIRST_KNOWN)})
        marked = ["", "", "#", *self.shapes]
        kinds = np.array([["#" in s, "$" in s, "%" in s or s.startswith("percent")] for s in marked], dtype=np.float64)
        object.__setattr__(self, "_kinds", kinds)

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self.shapes) + _FIRST_KNOWN

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What `load` reads. Shapes have no white space in them, so a line each; UTF-8 that lets surrogates through."""
        joined = "\n".join(self.shapes).encode("utf-8", "surrogatepass")
        return {
            "lexicon.shapes": np.frombuffer(joined, dtype=np.uint8),
            "lexicon.pairs": self.pairs,
            "lexicon.idf": self.idf,
        }

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """From `arrays`. Raises KeyError for one that is missing."""
        joined = arrays["lexicon.shapes"].tobytes().decode("utf-8", "surrogatepass")
        return cls(tuple(joined.split("\n")) if joined else (), arrays["lexicon.pairs"], arrays["lexicon.idf"])

    def ids(self, words: Sequence[str]) -> Ids:
        """The id of each word."""
        known = {word: self._id(word) for word in set(words)}
        return np.fromiter(map(known.__getitem__, words), dtype=np.int64, count=len(words))

    def _id(self, word: str) -> int:
        shape = shape_of(word)
        return self._index.get(shape, UNKNOWN_NUMBER if "#" in shape else UNKNOWN_WORD)

    def kinds(self, ids: Columns) -> FloatArray:
        """For each word whether it is a number, money, a percentage; shape (words, 3)."""
        return self._kinds[ids]


@dataclass(frozen=True, slots=True, eq=False)
class Indexed:
    """A transcript in the ids of a lexicon. Every array has one entry a word."""

    transcript: Transcript
    sentence: Columns
    """The sentence that the word stands in."""
    window: Columns
    """Ids of the two words before, the word, and the two after, shape (5, words); `EDGE` beyond the sentence."""
    pair: Columns
    """Which known pair begins at the word; `len(lexicon.pairs)` where none does."""

    @property
    def ids(self) -> Columns:
        """The id of each word."""
        middle: Columns = self.window[2]
        return middle

    @property
    def pair_before(self) -> Columns:
        """Which known pair ends at the word."""
        return np.concatenate((self.pair[-1:], self.pair[:-1]))


def index(transcript: Transcript, lexicon: Lexicon) -> Indexed:
    """Looks up every word and pair."""
    count = len(transcript.words)
    sentence = np.repeat(np.arange(len(transcript.lengths)), transcript.lengths)
    at = np.arange(count) + 2 * sentence + 2
    padded = np.full(count + 2 * (len(transcript.lengths) + 1), EDGE, dtype=np.int64)
    padded[at] = lexicon.ids(transcript.words)
    window = np.stack([padded[at + shift] for shift in range(-2, 3)])
    pair = _lookup(lexicon, window[2], window[3])
    return Indexed(transcript, sentence.astype(np.int32), window.astype(np.int32), pair.astype(np.int32))


def _lookup(lexicon: Lexicon, left: Ids, right: Ids) -> Ids:
    keys = left * lexicon.size + right
    found = np.searchsorted(lexicon.pairs, keys)
    inside = np.minimum(found, max(len(lexicon.pairs) - 1, 0))
    hit = lexicon.pairs[inside] == keys if len(lexicon.pairs) else np.zeros(len(keys), dtype=bool)
    return np.where(hit, found, len(lexicon.pairs))


def learn_lexicon(transcripts: Iterable[Transcript], *, min_sentences: int, max_shapes: int, max_pairs: int) -> Lexicon:
    """Shapes and pairs that stand in at least `min_sentences` sentences, the most frequent first."""
    kept = list(transcripts)
    counts: Counter[str] = Counter()
    sentences = 0
    shape = {word: shape_of(word) for transcript in kept for word in transcript.words}
    for transcript in kept:
        sentences += len(transcript.lengths)
        for i in range(len(transcript.lengths)):
            counts.update({shape[word] for word in transcript.sentence(i)})
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:max_shapes]
    known = [(name, count) for name, count in ranked if count >= min_sentences]
    frequency = np.array([sentences, 1, 1, *(count for _, count in known)], dtype=np.float64)
    idf = np.log((1.0 + sentences) / (1.0 + frequency)).astype(np.float32)
    names = tuple(name for name, _ in known)
    bare = Lexicon(names, np.empty(0, dtype=np.int64), idf)
    return Lexicon(names, _frequent_pairs(kept, bare, min_sentences, max_pairs), idf)


def _frequent_pairs(transcripts: Sequence[Transcript], lexicon: Lexicon, least: int, most: int) -> Ids:
    rows = [np.empty(0, dtype=np.int64)]
    for transcript in transcripts:
        window = index(transcript, lexicon).window
        both = (window[2] >= UNKNOWN_NUMBER) & (window[3] >= UNKNOWN_NUMBER)
        rows.append(window[2][both].astype(np.int64) * lexicon.size + window[3][both])
    keys, counts = np.unique(np.concatenate(rows), return_counts=True)
    order = np.lexsort((keys, -counts))[:most]
    return np.sort(keys[order[counts[order] >= least]])


SENTENCE_FEATURES = 24


def sentence_features(indexed: Indexed, lexicon: Lexicon) -> FloatArray:
    """Where a sentence stands, how long it is, which figures it has, how central its words are.

    Shape (sentences, 24), each about in [0, 2]: distance from either end, place in the text as a fraction, its
    square and its tenth, length, counts of numbers, money and percentages, likeness to the whole transcript.
    """
    lengths = indexed.transcript.lengths.astype(np.float64)
    count = len(lengths)
    order = np.arange(count)
    place = order / max(count, 1)
    kinds = lexicon.kinds(indexed.ids)
    figures = np.stack([np.bincount(indexed.sentence, kinds[:, k], count) for k in range(3)], axis=1)
    log_length = np.log1p(lengths)
    columns = [
        np.minimum(order, 10) / 10.0,
        np.minimum(count - order, 10) / 10.0,
        place,
        place**2,
        log_length / 2.0,
        (log_length / 3.0) ** 2,
        np.full(count, np.log(max(count, 1) / 100.0)),
        _centrality(indexed, lexicon, count),
    ]
    tenths = np.eye(10)[np.minimum((10.0 * place).astype(np.int64), 9)]
    return np.concatenate([np.stack(columns, axis=1), np.log1p(figures), figures > 0.0, tenths], axis=1)


def _centrality(indexed: Indexed, lexicon: Lexicon, count: int) -> FloatArray:
    """Cosine between the idf-weighted words of a sentence and those of the transcript (0 where nothing is known)."""
    whole = np.bincount(indexed.ids, minlength=lexicon.size) * lexicon.idf.astype(np.float64)
    weight = lexicon.idf[indexed.ids].astype(np.float64)
    shared = np.bincount(indexed.sentence, weight * whole[indexed.ids], count)
    norm = np.sqrt(np.bincount(indexed.sentence, weight**2, count)) * float(np.linalg.norm(whole))
    return np.divide(shared, norm, out=np.zeros(count), where=norm > 0.0)
