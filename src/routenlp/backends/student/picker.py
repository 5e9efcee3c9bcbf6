"""Summaries by picking: the sentences worth reporting, each trimmed to the words worth reporting.

Two linear models read a transcript. One gives each sentence the probability that a summary draws on it; the other
gives each word the probability that the summary keeps it, were its sentence drawn on. A sentence's *span* is its
contiguous run of words with the largest sum of (keep probability - `trim_at`), so that lead-in and trailing
clauses fall away. A span is expected to share `sentence probability x sum of keep probabilities` words with the
reference; spans are added in order of that gain per word for as long as the expected ROUGE-L,
2 gain / (words + `reference_words`), rises. The answer is the spans in transcript order, one a line.

`SentencePicker` needs numpy only. `vector_picker.VectorPicker` scores the sentences that this one ranks highest
again, with a vector of each.

The probability of a pick is that of the whole answer being handled, given how sure the model is of this pick and
of the others; so u = mean(1 - p) ranks transcripts by the quality of their answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.student.transcripts import (
    Indexed,
    Lexicon,
    Transcript,
    index,
    read_transcript,
    sentence_features,
)
from routenlp.contracts import Encoder
from routenlp.errors import ArtefactError
from routenlp.types import FloatArray, Parts, Prediction, Query

Arrays = Mapping[str, NDArray[Any]]

NO_PICK = Prediction("", (0.0,))
"""What is said to a blank text."""


def sigmoid(logits: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


@dataclass(frozen=True, slots=True)
class Picking:
    """How spans are cut and how many are taken."""

    trim_at: float = 0.4
    """Keep probability under which a word shortens its span rather than lengthens it."""
    min_words: int = 4
    """A shorter span is no bullet."""
    max_picks: int = 8
    reference_words: float = 25.0
    """Words of a reference, as the expected ROUGE-L sees it: larger makes longer answers."""
    shortlist: int = 12
    """Sentences of a transcript that are considered, those of the highest probability."""


def picking_of(parts: Parts) -> Picking:
    """The settings stored in `meta`. Raises KeyError, TypeError or ValueError where they are not."""
    stored = dict(cast(Mapping[str, Any], parts.meta["picking"]))
    return Picking(**stored)


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence of the shortlist with the run of its words that would be reported."""

    sentence: int
    start: int
    """First word, counted in the sentence."""
    stop: int
    logit: float
    """Of the probability that a summary draws on the sentence."""
    kept: float
    """Sum of the keep probabilities of the words."""

    @property
    def words(self) -> int:
        """Length of the span."""
        return self.stop - self.start

    @property
    def gain(self) -> float:
        """Expected number of words shared with the reference."""
        return float(sigmoid(np.array(self.logit))) * self.kept


@dataclass(frozen=True, slots=True)
class Picks:
    """The spans of an answer in transcript order, and the ROUGE-L that the model expects of it."""

    spans: tuple[Span, ...]
    expected: float

    def features(self) -> FloatArray:
        """What the confidence in each pick is computed from; shape (spans, 4)."""
        rows = [[span.logit, span.kept / span.words, self.expected, np.log(len(self.spans))] for span in self.spans]
        return np.array(rows, dtype=np.float64).reshape(-1, 4)


def choose(spans: Sequence[Span], picking: Picking) -> Picks:
    """Takes spans in order of gain per word while the expected ROUGE-L rises; at least one if there is any."""
    ranked = sorted(spans, key=lambda span: (-span.gain / (span.words + 4.0), span.sentence))
    chosen: list[Span] = []
    gain, words, expected = 0.0, 0, 0.0
    for span in ranked:
        new = 2.0 * (gain + span.gain) / (words + span.words + picking.reference_words)
        if chosen and (new <= expected or len(chosen) == picking.max_picks):
            continue
        chosen.append(span)
        gain, words, expected = gain + span.gain, words + span.words, new
    return Picks(tuple(sorted(chosen, key=lambda span: span.sentence)), expected)


def best_run(values: Sequence[float]) -> tuple[int, int]:
    """Start and stop of the contiguous run with the largest sum (Kadane); (0, 0) where no value is positive."""
    best, total, start, run = 0.0, 0.0, 0, (0, 0)
    for i, value in enumerate(values):
        total += value
        if total <= 0.0:
            total, start = 0.0, i + 1
        elif total > best:
            best, run = total, (start, i + 1)
    return run


@dataclass(frozen=True, slots=True, eq=False)
class SentenceWeights:
    """Logistic weights of the sentence model over ids, pairs and `sentence_features`."""

    words: FloatArray
    pairs: FloatArray
    features: FloatArray
    bias: float

    def logits(self, indexed: Indexed, lexicon: Lexicon) -> FloatArray:
        """Of the probability that a summary draws on each sentence. Word weights are summed over sqrt(length)."""
        lengths = indexed.transcript.lengths
        per_word = self.words[indexed.ids] + self.pairs[indexed.pair]
        lexical = np.bincount(indexed.sentence, per_word, len(lengths)) / np.sqrt(lengths)
        logits: FloatArray = lexical + sentence_features(indexed, lexicon) @ self.features + self.bias
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class TrimWeights:
    """Logistic weights of the word model over a word, its four neighbours and the two pairs it is part of."""

    window: FloatArray
    """Shape (5, lexicon size)."""
    pairs: FloatArray
    """Shape (2, pairs + 1): the pair that ends at the word, the pair that begins there."""
    bias: float

    def keep(self, indexed: Indexed) -> FloatArray:
        """The probability that a summary keeps each word, were its sentence drawn on."""
        logits = self.pairs[0][indexed.pair_before] + self.pairs[1][indexed.pair] + self.bias
        for weights, ids in zip(self.window, indexed.window, strict=True):
            logits += weights[ids]
        return sigmoid(logits)


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The most probable sentences of one transcript, in transcript order, with their spans."""

    transcript: Transcript
    spans: tuple[Span, ...]

    def sentences(self) -> list[str]:
        """Their whole texts."""
        return [" ".join(self.transcript.sentence(span.sentence)) for span in self.spans]

    def text(self, picks: Picks) -> str:
        """The answer that the picks make: the quarter reported as a heading, where one is named, then the spans."""
        lines = [" ".join(self.transcript.sentence(span.sentence)[span.start : span.stop]) for span in picks.spans]
        return "\n".join([self.transcript.quarter, *lines] if self.transcript.quarter else lines)


@dataclass(frozen=True, slots=True, eq=False)
class SentenceModel:
    """Reads a transcript down to its shortlist."""

    lexicon: Lexicon
    sentences: SentenceWeights
    trim: TrimWeights
    picking: Picking

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` reads."""
        return self.lexicon.arrays() | {
            "sentences.words": self.sentences.words,
            "sentences.pairs": self.sentences.pairs,
            "sentences.features": self.sentences.features,
            "sentences.bias": np.array([self.sentences.bias]),
            "trim.window": self.trim.window,
            "trim.pairs": self.trim.pairs,
            "trim.bias": np.array([self.trim.bias]),
        }

    @classmethod
    def load(cls, arrays: Arrays, picking: Picking) -> Self:
        """From `arrays`. Raises KeyError for one that is missing."""
        words, pairs, features = (arrays[f"sentences.{name}"] for name in ("words", "pairs", "features"))
        sentences = SentenceWeights(words, pairs, features, float(arrays["sentences.bias"][0]))
        trim = TrimWeights(arrays["trim.window"], arrays["trim.pairs"], float(arrays["trim.bias"][0]))
        return cls(Lexicon.load(arrays), sentences, trim, picking)

    def read(self, text: str) -> Shortlist:
        """The shortlist of a text."""
        return self.shortlist(index(read_transcript(text), self.lexicon))

    def shortlist(self, indexed: Indexed) -> Shortlist:
        """The `picking.shortlist` most probable sentences. Empty for a blank transcript only."""
        transcript = indexed.transcript
        if not transcript.words:
            return Shortlist(transcript, ())
        logits = self.sentences.logits(indexed, self.lexicon)
        keep = self.trim.keep(indexed)
        best = np.sort(np.argsort(-logits, kind="stable")[: self.picking.shortlist])
        return Shortlist(transcript, tuple(self._span(transcript, i, logits, keep) for i in best.tolist()))

    def _span(self, transcript: Transcript, sentence: int, logits: FloatArray, keep: FloatArray) -> Span:
        first, last = transcript.starts[sentence : sentence + 2].tolist()
        own = keep[first:last].tolist()
        start, stop = best_run([value - self.picking.trim_at for value in own])
        if stop - start < self.picking.min_words:
            start, stop = 0, len(own)
        return Span(sentence, start, stop, float(logits[sentence]), sum(own[start:stop]))


@dataclass(frozen=True, slots=True, eq=False)
class Confidence:
    """Logistic weights from `Picks.features` to the probability that the answer is handled."""

    weights: FloatArray
    bias: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `load` reads."""
        return {"confidence": np.append(self.weights, self.bias)}

    @classmethod
    def load(cls, arrays: Arrays) -> Self:
        """From `arrays`. Raises KeyError for one that is missing."""
        return cls(arrays["confidence"][:-1], float(arrays["confidence"][-1]))

    def prediction(self, shortlist: Shortlist, picks: Picks) -> Prediction:
        """The answer with a probability for each of its lines."""
        if not picks.spans:
            return NO_PICK
        probabilities = sigmoid(picks.features() @ self.weights + self.bias)
        return Prediction(shortlist.text(picks), tuple(probabilities.tolist()))


@contextmanager
def taken_apart(parts: Parts, kind: str) -> Iterator[None]:
    """Turns what goes wrong while `parts` are put together into `ArtefactError`."""
    if parts.kind != kind:
        raise ArtefactError(parts.kind, f"is not a {kind}", f"Load a {kind}.")
    try:
        yield
    except (KeyError, ValueError, TypeError, IndexError) as exc:
        raise ArtefactError(kind, f"cannot be put together ({exc!r})", "Train the student again.") from exc


@dataclass(frozen=True, slots=True, eq=False)
class SentencePicker:
    """Picks by words and position alone. Implements `contracts.Student`."""

    KIND: ClassVar[str] = "sentence-picker"

    model: SentenceModel
    confidence: Confidence

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """One answer a query; a blank text gets an empty one with probability 0."""
        return [self._answer(query.text) for query in queries]

    def _answer(self, text: str) -> Prediction:
        shortlist = self.model.read(text)
        return self.confidence.prediction(shortlist, choose(shortlist.spans, self.model.picking))

    def parts(self) -> Parts:
        """Arrays of the model and of the confidence; how it picks in `meta`."""
        return Parts(self.KIND, self.model.arrays() | self.confidence.arrays(), {"picking": asdict(self.model.picking)})

    @classmethod
    def from_parts(cls, parts: Parts, encoder: Encoder | None = None) -> Self:  # noqa: ARG003 - one signature for all
        """What `parts` took apart; needs no encoder. Raises `ArtefactError`."""
        with taken_apart(parts, cls.KIND):
            return cls(SentenceModel.load(parts.arrays, picking_of(parts)), Confidence.load(parts.arrays))
