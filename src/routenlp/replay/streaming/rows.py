"""One task's recorded answers of a cheap tier, token by token, beside what the top tier answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.generations import Generation
from routenlp.cascade.commit import SENTENCE_FROM, CommitPoint, sentence_ended
from routenlp.contracts import Scorer
from routenlp.errors import DataError
from routenlp.types import Answer, FloatArray

NEVER = np.iinfo(np.int64).max
"""A number of tokens that no answer has."""
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """The cheap tier's answers to n queries as they came, and the top tier's as far as escalations need them."""

    running: FloatArray
    """Score of the first 1, 2, ... tokens, shape (n, longest or 1); NaN where a prefix has none, after the end."""
    tokens: Ints
    """Of each answer, without an end-of-text token, shape (n,)."""
    sentence: Ints
    """After how many tokens the first sentence is known to have ended, shape (n,); `NEVER` where it is not."""
    quality: FloatArray
    top_quality: FloatArray
    input_usd: FloatArray
    """What reading the query costs at the cheap tier, shape (n,)."""
    token_usd: float
    """Of each token that it writes."""
    output_tokens: Ints
    """As they are paid for a whole answer, with the end-of-text token; shape (n,)."""
    top_usd: FloatArray
    """Of the top tier's answer."""
    prefill_s: FloatArray
    """Until the cheap tier begins to write, shape (n,)."""
    token_s: float
    """For each token that it writes."""
    top_first_s: FloatArray
    """Until the top tier's first token, shape (n,)."""
    groups: Ints
    """Of each query, shape (n,): the unit of exchangeability."""

    @property
    def n(self) -> int:
        """Number of queries."""
        return len(self.tokens)

    @property
    def score(self) -> FloatArray:
        """Of whole answers, shape (n,); NaN for an empty one."""
        return self.at(self.tokens)

    def at(self, tokens: Ints) -> FloatArray:
        """Score of each answer's first `tokens` tokens, shape (n,); NaN where it has fewer, or none."""
        there = (tokens >= 1) & (tokens <= self.tokens)
        column = np.where(there, tokens - 1, 0)
        return np.where(there, self.running[np.arange(self.n), column], np.nan)

    def point(self, point: CommitPoint) -> Ints:
        """After how many tokens each answer is at its commit point, shape (n,); `NEVER` where it ends before."""
        at = np.full(self.n, point.tokens)
        if point.sentence:
            at = np.minimum(at, self.sentence)
        return np.where(at <= self.tokens, at, NEVER)

    def take(self, rows: Ints) -> Streams:
        """Some of the queries."""
        every: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        taken: dict[str, Any] = {n: v[rows] if isinstance(v, np.ndarray) else v for n, v in every.items()}
        return Streams(**taken)


def running_scores(tier: str, said: Sequence[Generation], scorer: Scorer) -> FloatArray:
    """Of every prefix, as the machine would have it: shape (n, longest or 1). The scorer sees no route."""
    longest = max((len(one.token_probs) for one in said), default=1) or 1
    out = np.full((len(said), longest), np.nan)
    for i, one in enumerate(said):
        for tokens in range(1, len(one.token_probs) + 1):
            probs = one.token_probs[:tokens]
            score = scorer.score(Answer(tier, "", probs, 0, tokens, 0.0, 0.0))
            out[i, tokens - 1] = np.nan if score is None else score
    return out


def sentence_tokens(said: Sequence[Generation]) -> Ints:
    """After how many tokens each first sentence is known to have ended, shape (n,); `NEVER` where it never is."""
    return np.array([_sentence(one) for one in said], dtype=np.int64)


def _sentence(one: Generation) -> int:
    if not sentence_ended(one.answer):
        return NEVER
    for tokens in range(SENTENCE_FROM, len(one.token_probs) + 1):
        if sentence_ended(one.text_after(tokens)):
            return tokens
    return NEVER


def check_streams(rows: Streams) -> Streams:
    """Itself; raises `DataError` where arrays do not belong together."""
    for field in fields(rows):
        value = getattr(rows, field.name)
        if isinstance(value, np.ndarray) and len(value) != rows.n:
            raise DataError(f"streams.{field.name}", f"has {len(value)} rows, not {rows.n}", "Give every row.")
    return rows
