"""Fits the reply retrievers of cs_response: what is stored, how replies are ranked, how sure a choice is.

Rankings and confidences are learned from training rows that look for a reply in the rest of the store: a row never
finds its own group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.ngrams import NgramVocabulary, learn_vocabulary
from routenlp.backends.student.replies import (
    CONTEXT_NGRAMS,
    FIELDS,
    Context,
    ContextIndex,
    Fallback,
    Indices,
    Postings,
    ReplyStore,
    read_context,
    store_replies,
)
from routenlp.backends.student.reranker import Candidates, RerankedReply, Reranker, Similarity, encode_contexts
from routenlp.backends.student.retriever import NearestReply, Vote
from routenlp.contracts import Encoder
from routenlp.errors import TrainingError
from routenlp.grading.rouge import rouge_l_tokens, rouge_tokens
from routenlp.training.fitted import FittedStudent
from routenlp.types import Example, FloatArray

MIN_ROWS = 10
MAX_HELD_OUT = 2_000
"""Rows, evenly spaced, that rankings and confidences are learned from."""

_MAX_SHARE = 0.1
"""n-grams in more than this share of turns tell conversations apart too little for the time they take ..."""
_CHEAP = 500
"""... unless so few turns have them that they take none."""
_MAX_GRAMS = 60_000
_FALLBACK_ROWS = 100
_RIDGE = 100.0


def fit_nearest_reply(examples: Sequence[Example], *, handled_at: float) -> FittedStudent[NearestReply]:
    """Tier 1. Raises `TrainingError` when fewer than `MIN_ROWS` rows of two groups have a reply."""
    rows = _study(examples, handled_at)
    student = NearestReply(rows.store, rows.index, np.zeros(0), rows.fallback)
    elected: dict[int, Vote] = {}
    for i, own in rows.held_out():
        similarity = student.similarity(rows.contexts[i])
        similarity[own] = -np.inf
        elected[i] = student.elect(similarity)
    handled = np.array([rows.quality(v.reply, i) >= handled_at for i, v in elected.items()])
    student = replace(student, confidence=fit_confidence(np.array([v.features for v in elected.values()]), handled))
    return FittedStudent(student, {rows.id(i): student.prediction(v) for i, v in elected.items()})


def fit_reranked_reply(
    examples: Sequence[Example], encoder: Encoder, *, handled_at: float
) -> FittedStudent[RerankedReply]:
    """Tier 2. Raises `TrainingError` when fewer than `MIN_ROWS` rows of two groups have a reply."""
    rows = _study(examples, handled_at)
    vectors = encode_contexts([e.query.text for e in rows.examples], rows.contexts, encoder)
    whole, last = vectors.whole.astype(np.float32), vectors.last.astype(np.float32)
    unfitted = Reranker(np.zeros(0), np.zeros(0))
    student = RerankedReply(rows.store, rows.index, whole, last, unfitted, rows.fallback, encoder)
    found: dict[int, Candidates] = {}
    for i, own in rows.held_out():
        similarity = student.similarity(rows.contexts[i], *vectors.row(i))
        found[i] = student.candidates(_hide(similarity, own))
    qualities = [np.array([rows.quality(int(reply), i) for reply in c.replies]) for i, c in found.items()]
    student = replace(student, reranker=fit_reranker(list(found.values()), qualities, handled_at))
    return FittedStudent(student, {rows.id(i): student.prediction(c) for i, c in found.items()})


def _hide(similarity: Similarity, own: Indices) -> Similarity:
    for values in similarity:
        values[own] = -np.inf
    return similarity


@dataclass(frozen=True, slots=True)
class _Rows:
    """Training rows, taken apart."""

    examples: Sequence[Example]
    contexts: Sequence[Context]
    references: Sequence[Sequence[str]]
    store: ReplyStore
    index: ContextIndex
    fallback: Fallback

    def id(self, row: int) -> str:
        return self.examples[row].query.id

    def quality(self, reply: int, row: int) -> float:
        return rouge_l_tokens(self.references[reply], self.references[row])

    def held_out(self) -> Iterator[tuple[int, Indices]]:
        """Rows to learn from, each with all rows of its group."""
        members: dict[str, list[int]] = defaultdict(list)
        for i, example in enumerate(self.examples):
            members[example.group].append(i)
        for i in _evenly(len(self.examples), MAX_HELD_OUT):
            yield i, np.array(members[self.examples[i].group])


def _study(examples: Sequence[Example], handled_at: float) -> _Rows:
    usable = [e for e in examples if rouge_tokens(e.reference)]
    groups = {e.group for e in usable}
    if len(usable) < MIN_ROWS or len(groups) < 2:
        problem = f"{len(usable)} training rows of {len(groups)} groups have a reply, fewer than {MIN_ROWS} of 2"
        raise TrainingError("reply retriever", problem, "Give the task more training rows")
    contexts = [read_context(e.query.text) for e in usable]
    references = [rouge_tokens(e.reference) for e in usable]
    store = store_replies([e.reference for e in usable])
    return _Rows(usable, contexts, references, store, index_contexts(contexts), choose_fallback(references, handled_at))


def _evenly(total: int, count: int) -> list[int]:
    """`count` evenly spaced positions of `total`, or all."""
    return [int(i) for i in np.linspace(0, total - 1, min(count, total))]


def index_contexts(contexts: Sequence[Context]) -> ContextIndex:
    """Posting lists of every field over one vocabulary, in which each turn counts as a text."""
    turns = [turn for context in contexts for turn in (context.last, context.previous) if turn]
    vocabulary = learn_vocabulary(turns, CONTEXT_NGRAMS, min_rows=2, max_size=_MAX_GRAMS)
    df = (1.0 + len(turns)) / np.exp(vocabulary.idf - 1.0) - 1.0
    rare = df <= max(_CHEAP, _MAX_SHARE * len(turns))
    vocabulary = NgramVocabulary(CONTEXT_NGRAMS, vocabulary.known[rare], vocabulary.idf[rare])
    postings = tuple(_post(vocabulary, [context[k] for context in contexts]) for k in range(len(FIELDS)))
    return ContextIndex(vocabulary, postings, len(contexts))


def _post(vocabulary: NgramVocabulary, texts: Sequence[str]) -> Postings:
    sparse = [vocabulary.row(text) for text in texts]
    columns = np.concatenate([c for c, _ in sparse])
    values = np.concatenate([v for _, v in sparse])
    rows = np.repeat(np.arange(len(texts), dtype=np.int32), [len(c) for c, _ in sparse])
    order = np.argsort(columns, kind="stable")
    ends = np.cumsum(np.bincount(columns, minlength=len(vocabulary.known)))
    return Postings(rows[order], values[order].astype(np.float16), ends.astype(np.int64))


def choose_fallback(references: Sequence[Sequence[str]], handled_at: float) -> Fallback:
    """Of evenly spaced replies, the one that would have handled most of the others."""
    some = _evenly(len(references), _FALLBACK_ROWS)
    share = [
        np.mean([rouge_l_tokens(references[c], references[i]) >= handled_at for i in some if i != c]) for c in some
    ]
    winner = int(np.argmax(share))
    return Fallback(some[winner], float(share[winner]))


def fit_reranker(found: Sequence[Candidates], qualities: Sequence[FloatArray], handled_at: float) -> Reranker:
    """Ridge regression of quality on features, both less their means over a query's candidates; then the confidence."""
    x = np.concatenate([c.features - c.features.mean(axis=0) for c in found])
    y = np.concatenate([q - q.mean() for q in qualities])
    spread = _spread_of(x)
    x /= spread
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ y) / spread
    reranker = Reranker(weights, np.zeros(0))
    choices = [reranker.choose(c) for c in found]
    handled = np.array([q[winner] >= handled_at for q, (winner, _) in zip(qualities, choices, strict=True)])
    return replace(reranker, confidence=fit_confidence(np.array([f for _, f in choices]), handled))


def fit_confidence(features: FloatArray, handled: NDArray[np.bool_]) -> FloatArray:
    """Logistic weights over raw `features`, whose last column is 1. Where all rows agree, the smoothed share."""
    if handled.all() or not handled.any():
        weights = np.zeros(features.shape[1])
        share = (handled.sum() + 1.0) / (len(handled) + 2.0)
        weights[-1] = np.log(share / (1.0 - share))
        return weights
    from sklearn.linear_model import LogisticRegression

    inner = features[:, :-1]
    mean, spread = inner.mean(axis=0), _spread_of(inner)
    model = LogisticRegression(C=0.1, max_iter=1000).fit((inner - mean) / spread, handled)
    slopes = model.coef_[0] / spread
    return np.append(slopes, model.intercept_[0] - slopes @ mean)


def _spread_of(features: FloatArray) -> FloatArray:
    """Standard deviation by column; infinite for a constant one, which then gets the weight 0."""
    spread = features.std(axis=0)
    return np.where(spread > 1e-6, spread, np.inf)
