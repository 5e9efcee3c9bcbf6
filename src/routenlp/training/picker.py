"""Fits sentence pickers: which sentences a reference draws on, which of their words it keeps.

A reference line's *source* is the sentence that covers it best by longest common subsequence, if any covers it well
enough. Sources teach the sentence model; the words of a source that stand in its longest common subsequence with
the whole reference teach the trimming. Both models are logistic regressions, fitted on all sources and a seeded
sample of the other sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from routenlp.backends.student.picker import (
    Confidence,
    Picking,
    SentenceModel,
    SentencePicker,
    SentenceWeights,
    Shortlist,
    TrimWeights,
    choose,
)
from routenlp.backends.student.transcripts import (
    Indexed,
    Lexicon,
    Transcript,
    index,
    learn_lexicon,
    read_transcript,
    sentence_features,
)
from routenlp.backends.student.vector_picker import SpanWeights, VectorPicker, encode_each, span_features
from routenlp.contracts import Encoder
from routenlp.errors import TrainingError
from routenlp.grading.rouge import lcs_length, lcs_positions, rouge_l, rouge_tokens
from routenlp.training.fitted import FittedStudent
from routenlp.types import Example, FloatArray, Prediction, Vectors

Flags = NDArray[np.bool_]

SOURCE_AT = 0.45
"""A line's best sentence is its source if F-measure + half the covered share of the line reaches this."""
OTHER_SENTENCES = 0.2
"""Share of the sentences that are nobody's source which the sentence model is fitted on."""
LEXICAL_SCALE = 2.0
"""Weight of the words in the sentence model's penalty, relative to the features: larger penalises them less."""
KEEP_ALL = 6.0
"""Logit of keeping a word where references keep every word of their sources."""
SPAN_SCALE = 3.0
"""Spread of the span features and length of a vector, as the penalty of the span model sees them."""
MIN_TRANSCRIPTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A transcript with what its reference says about it."""

    indexed: Indexed
    features: FloatArray
    reference: str
    source: Flags
    """Whether a line of the reference draws on the sentence, shape (sentences,)."""
    keep: Flags
    """Whether the reference keeps the word, shape (words,); says something in sources only."""


@dataclass(frozen=True, slots=True, eq=False)
class Studied:
    """A fitted sentence model, and what models fitted on the other half of the transcripts say of each."""

    model: SentenceModel
    labelled: list[Labelled]
    ids: list[str]
    """Of the queries."""
    half: NDArray[np.int64]
    """0 or 1: which half each transcript belongs to; a group is never cut."""
    shortlists: list[Shortlist]
    """Out of fold, one a transcript: what the rest is fitted on, so that nothing learns from over-fitted scores."""


def study(examples: Sequence[Example], *, seed: int, picking: Picking | None = None) -> Studied:
    """Fits the sentence model on all transcripts, and on each half for the other.

    Raises `TrainingError` for fewer than 8 transcripts, or where no reference draws on any sentence.
    """
    picking = picking or Picking()
    transcripts = [read_transcript(example.query.text) for example in examples]
    if sum(1 for transcript in transcripts if transcript.words) < MIN_TRANSCRIPTS:
        raise TrainingError("examples", f"{len(examples)} transcripts", f"Give at least {MIN_TRANSCRIPTS}.")
    lexicon = learn_lexicon(
        transcripts, min_sentences=5 if len(transcripts) > 100 else 3, max_shapes=6_000, max_pairs=30_000
    )
    labelled = [
        label(transcript, lexicon, example.reference) for transcript, example in zip(transcripts, examples, strict=True)
    ]
    half = _halves(examples, seed)
    shortlists: list[Shortlist | None] = [None] * len(labelled)
    for side in (0, 1):
        other = fit_model([row for row, h in zip(labelled, half, strict=True) if h != side], lexicon, picking, seed)
        for i in np.flatnonzero(half == side).tolist():
            shortlists[i] = other.shortlist(labelled[i].indexed)
    model = fit_model(labelled, lexicon, picking, seed)
    ids = [example.query.id for example in examples]
    return Studied(model, labelled, ids, half, [row for row in shortlists if row is not None])


def _halves(examples: Sequence[Example], seed: int) -> NDArray[np.int64]:
    groups, number = np.unique([example.group for example in examples], return_inverse=True)
    half: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(groups))[number] % 2
    return half


def label(transcript: Transcript, lexicon: Lexicon, reference: str) -> Labelled:
    """Finds the sources of a reference and the words that it keeps of them."""
    indexed = index(transcript, lexicon)
    tokens = [rouge_tokens(word) for word in transcript.words]
    starts = transcript.starts.tolist()
    sentences = [[token for word in tokens[a:b] for token in word] for a, b in pairwise(starts)]
    source = np.zeros(len(sentences), dtype=bool)
    for line in reference.split("\n"):
        best = _source_of(rouge_tokens(line), sentences)
        if best is not None:
            source[best] = True
    keep = np.zeros(len(transcript.words), dtype=bool)
    whole = rouge_tokens(reference)
    for i in np.flatnonzero(source).tolist():
        owner = [at for at in range(starts[i], starts[i + 1]) for _ in tokens[at]]
        for position in lcs_positions(sentences[i], whole):
            keep[owner[position]] = True
    return Labelled(indexed, sentence_features(indexed, lexicon), reference, source, keep)


def _source_of(line: list[str], sentences: Sequence[list[str]]) -> int | None:
    """The sentence that covers the line best, if one covers it well enough."""
    wanted = set(line)
    best, found = SOURCE_AT, None
    for i, sentence in enumerate(sentences):
        possible = 3.0 * len(wanted.intersection(sentence))
        if possible < 0.5 * len(wanted):
            continue
        common = lcs_length(line, sentence)
        fit = 2.0 * common / (len(line) + len(sentence)) + 0.5 * common / len(line) if common else 0.0
        if fit > best:
            best, found = fit, i
    return found


def fit_model(labelled: Sequence[Labelled], lexicon: Lexicon, picking: Picking, seed: int) -> SentenceModel:
    """Sentence and word model over the given transcripts."""
    return SentenceModel(lexicon, _fit_sentences(labelled, lexicon, seed), _fit_trim(labelled, lexicon), picking)


def _fit_sentences(labelled: Sequence[Labelled], lexicon: Lexicon, seed: int) -> SentenceWeights:
    rng = np.random.default_rng(seed)
    lexical, dense, targets = [], [], []
    for row in labelled:
        taken = row.source | (rng.random(len(row.source)) < OTHER_SENTENCES)
        lexical.append(_word_rows(row.indexed, taken, lexicon))
        dense.append(row.features[taken])
        targets.append(row.source[taken])
    target = np.concatenate(targets)
    _require_both(target, "sentences")
    rows = sparse.hstack([sparse.vstack(lexical) * LEXICAL_SCALE, np.concatenate(dense)]).tocsr()
    fitted = _regression(0.3, 300).fit(rows, target)
    weights = fitted.coef_[0]
    size, pairs = lexicon.size, len(lexicon.pairs)
    return SentenceWeights(
        weights[:size] * LEXICAL_SCALE,
        np.append(weights[size : size + pairs] * LEXICAL_SCALE, 0.0),
        weights[size + pairs :],
        float(fitted.intercept_[0]) + float(np.log(OTHER_SENTENCES)),
    )


def _regression(c: float, most_steps: int) -> Any:
    """Not yet fitted. Loaded here: to load scikit-learn takes longer than all else that a worker loads."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=c, max_iter=most_steps)


def _require_both(target: Flags, subject: str) -> None:
    if target.all() or not target.any():
        raise TrainingError(
            subject, "no reference draws on a sentence of its transcript, or all do", "Give references that do."
        )


def _word_rows(indexed: Indexed, taken: Flags, lexicon: Lexicon) -> sparse.csr_matrix:
    """Counts of words and pairs over sqrt(length) for the sentences taken."""
    number = np.cumsum(taken) - 1
    inside = taken[indexed.sentence]
    row = number[indexed.sentence[inside]]
    share = 1.0 / np.sqrt(indexed.transcript.lengths[indexed.sentence[inside]])
    pair = indexed.pair[inside]
    known = pair < len(lexicon.pairs)
    columns = np.concatenate((indexed.ids[inside], lexicon.size + pair[known]))
    values = np.concatenate((share, share[known]))
    at = (np.concatenate((row, row[known])), columns)
    return sparse.csr_matrix((values, at), shape=(int(taken.sum()), lexicon.size + len(lexicon.pairs)))


def _fit_trim(labelled: Sequence[Labelled], lexicon: Lexicon) -> TrimWeights:
    size, pairs = lexicon.size, len(lexicon.pairs)
    width = 5 * size + 2 * (pairs + 1)
    blocks, targets = [], []
    for row in labelled:
        inside = row.source[row.indexed.sentence]
        columns = [row.indexed.window[k][inside] + k * size for k in range(5)]
        columns += [row.indexed.pair_before[inside] + 5 * size, row.indexed.pair[inside] + 5 * size + pairs + 1]
        blocks.append(np.stack(columns, axis=1))
        targets.append(row.keep[inside])
    target = np.concatenate(targets)
    if target.all():  # purely extractive references: there is nothing to trim
        return TrimWeights(np.zeros((5, size)), np.zeros((2, pairs + 1)), KEEP_ALL)
    _require_both(target, "words")
    cells = np.concatenate(blocks)
    ends = np.arange(len(cells) + 1) * cells.shape[1]
    rows = sparse.csr_matrix((np.ones(cells.size), cells.ravel(), ends), shape=(len(cells), width))
    fitted = _regression(0.1, 200).fit(rows, target)
    weights = fitted.coef_[0]
    return TrimWeights(
        weights[: 5 * size].reshape(5, size), weights[5 * size :].reshape(2, pairs + 1), float(fitted.intercept_[0])
    )


def fit_confidence(shortlists: Sequence[Shortlist], studied: Studied, handled_at: float) -> Confidence:
    """From how sure each pick is to whether its answer is handled. Every answer weighs the same."""
    features, handled, weight = [], [], []
    for shortlist, row in zip(shortlists, studied.labelled, strict=True):
        picks = choose(shortlist.spans, studied.model.picking)
        count = len(picks.spans)
        features.append(picks.features())
        handled += [rouge_l(shortlist.text(picks), row.reference) >= handled_at] * count
        weight += [1.0 / max(count, 1)] * count
    target = np.array(handled)
    if target.all() or not target.any():
        share = (float(target.sum()) + 1.0) / (len(target) + 2.0)
        return Confidence(np.zeros(features[0].shape[1]), float(np.log(share / (1.0 - share))))
    fitted = _regression(1.0, 100).fit(np.concatenate(features), target, sample_weight=np.array(weight))
    return Confidence(fitted.coef_[0], float(fitted.intercept_[0]))


def _held_out(shortlists: Sequence[Shortlist], studied: Studied, confidence: Confidence) -> dict[str, Prediction]:
    rows = zip(studied.ids, shortlists, strict=True)
    return {
        query_id: confidence.prediction(shortlist, choose(shortlist.spans, studied.model.picking))
        for query_id, shortlist in rows
    }


def fit_sentence_picker(studied: Studied, *, handled_at: float) -> FittedStudent[SentencePicker]:
    """The picker that needs numpy only; its confidence is fitted on out-of-fold answers."""
    confidence = fit_confidence(studied.shortlists, studied, handled_at)
    student = SentencePicker(studied.model, confidence)
    return FittedStudent(student, _held_out(studied.shortlists, studied, confidence))


def fit_vector_picker(studied: Studied, encoder: Encoder, *, handled_at: float) -> FittedStudent[VectorPicker]:
    """The picker that scores the shortlist again by vectors; encodes every out-of-fold shortlist, in one call.

    Its confidence is fitted on answers of models that saw the other half only.
    """
    vectors = encode_each(encoder, studied.shortlists)
    rescored = list(studied.shortlists)
    for side in (0, 1):
        other = _fit_spans(studied, vectors, studied.half != side)
        for i in np.flatnonzero(studied.half == side).tolist():
            rescored[i] = other.rescore(studied.shortlists[i], vectors[i])
    confidence = fit_confidence(rescored, studied, handled_at)
    everything = np.ones(len(vectors), dtype=bool)
    student = VectorPicker(studied.model, _fit_spans(studied, vectors, everything), confidence, encoder)
    return FittedStudent(student, _held_out(rescored, studied, confidence))


def _fit_spans(studied: Studied, vectors: Sequence[Vectors], taken: Flags) -> SpanWeights:
    """Which spans of the shortlists are sources, by their features and vectors."""
    rows = [i for i in np.flatnonzero(taken).tolist() if studied.shortlists[i].spans]
    features = np.concatenate([span_features(studied.shortlists[i], vectors[i]) for i in rows])
    chosen = [[span.sentence for span in studied.shortlists[i].spans] for i in rows]
    target = np.concatenate([studied.labelled[i].source[row] for i, row in zip(rows, chosen, strict=True)])
    _require_both(target, "shortlists")
    scale = SPAN_SCALE / np.maximum(features.std(axis=0), 1e-6)
    scaled = np.concatenate([vectors[i] for i in rows]).astype(np.float64) * SPAN_SCALE
    joined = np.hstack([(features - features.mean(axis=0)) * scale, scaled])
    fitted = _regression(0.1, 500).fit(joined, target)
    own, vector = np.split(fitted.coef_[0], [features.shape[1]])
    own = own * scale
    return SpanWeights(own, vector * SPAN_SCALE, float(fitted.intercept_[0] - features.mean(axis=0) @ own))
