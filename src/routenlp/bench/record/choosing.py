"""Best of n: which of the candidates is given, by a ridge regression of ROUGE-L on what is known without the reference.

The strongest feature is a candidate's mean ROUGE-L with the others (minimum Bayes risk; Kumar & Byrne 2004); the rest
says how sure the model was, how long the answer is, and what it shares with the query and with the retrieved answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routenlp.backends.student.reranker import Candidates as Described
from routenlp.backends.student.reranker import Reranker
from routenlp.bench.record.asked import Asked
from routenlp.bench.record.shards import Candidate, Candidates
from routenlp.grading.rouge import rouge_l, rouge_l_tokens, rouge_tokens
from routenlp.training.retriever import fit_reranker
from routenlp.types import FloatArray

FEATURES = (
    "agreement",
    "best agreement",
    "mean log-probability",
    "least probability",
    "log length",
    "distance from the mean log length",
    "best likeness to an example's answer",
    "mean likeness to the examples' answers",
    "share of words in the query",
    "share of figures in the query",
    "share of equal candidates",
    "likeliest",
    "cut off",
)


def describe(row: Asked, answers: Sequence[Candidate]) -> FloatArray:
    """Shape (answers, len(FEATURES)); no column looks at the reference."""
    tokens = [rouge_tokens(answer.text) for answer in answers]
    shown = [rouge_tokens(answer) for answer in row.shown]
    known = set(rouge_tokens(row.text))
    n = len(answers)
    alike = np.eye(n)
    for i in range(n):
        for j in range(i):
            alike[i, j] = alike[j, i] = 1.0 if tokens[i] == tokens[j] else rouge_l_tokens(tokens[i], tokens[j])
    others = alike - np.eye(n)
    length = np.log1p([len(words) for words in tokens])
    near = np.array([[rouge_l_tokens(words, answer) for answer in shown] or [0.0] for words in tokens])
    columns = [
        others.sum(axis=1) / max(n - 1, 1),
        others.max(axis=1),
        [_mean_log(answer.probs) for answer in answers],
        [min(answer.probs, default=0.0) for answer in answers],
        length,
        np.abs(length - length.mean()),
        near.max(axis=1),
        near.mean(axis=1),
        [_share(words, known) for words in tokens],
        [_share([word for word in words if word.isdigit()], known) for words in tokens],
        (alike >= 1.0).mean(axis=1),
        np.arange(n) == 0,
        [answer.ended == "length" for answer in answers],
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def fit_choice(rows: Sequence[tuple[Asked, Candidates]], handled_at: float) -> Reranker:
    """On rows that the generator did not learn from."""
    found = [_described(row, candidates) for row, candidates in rows]
    return fit_reranker(found, [qualities(row, candidates) for row, candidates in rows], handled_at)


def choose(reranker: Reranker, row: Asked, candidates: Candidates) -> int:
    """Position of the answer that is given."""
    return reranker.choose(_described(row, candidates))[0]


def qualities(row: Asked, candidates: Candidates) -> FloatArray:
    """ROUGE-L of each candidate against the reference."""
    return np.array([rouge_l(answer.text, row.reference) for answer in candidates.answers])


def _described(row: Asked, candidates: Candidates) -> Described:
    return Described(np.arange(len(candidates.answers)), describe(row, candidates.answers))


def _mean_log(probs: Sequence[float]) -> float:
    return float(np.log(np.maximum(probs, 1e-6)).mean()) if probs else 0.0


def _share(words: Sequence[str], known: set[str]) -> float:
    """1 where there are no words."""
    return sum(word in known for word in words) / len(words) if words else 1.0
