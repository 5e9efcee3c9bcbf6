"""One policy over recorded streams, all rows at once: the verdicts of the machine, in numpy.

`through_machine` runs the machine itself, one query at a time; `tests/unit/replay/streaming` holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.commit import CommitRule
from routenlp.replay.streaming.rows import NEVER, Ints, Streams
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Rung:
    """One policy: every query begins at the cheap tier, but for always-top's."""

    limit: float | None
    """A whole answer with at most this score is accepted; None: always-top."""
    commit: CommitRule | None = None
    """None: streams are buffered."""

    @property
    def buffered(self) -> Rung:
        """The same policy for who wants a whole answer."""
        return Rung(self.limit)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What a policy did to each query; all of shape (n,)."""

    cheap: NDArray[np.bool_]
    """Whether the cheap tier's answer was returned."""
    released: NDArray[np.bool_]
    """Whether it was given out at its commit point."""
    cancelled: NDArray[np.bool_]
    """Whether the cheap tier's call was broken off."""
    written: Ints
    """Tokens that the cheap tier wrote until something was decided: released, cancelled, or the answer's end."""
    quality: FloatArray
    cost_usd: FloatArray
    first_token_s: FloatArray
    """From the query to the first token that its client sees."""


def play(rows: Streams, rung: Rung) -> Played:
    """Accepts, releases and cancels as the machine does on every prefix."""
    nothing = np.zeros(rows.n, dtype=np.bool_)
    if rung.limit is None:
        none = np.zeros(rows.n, dtype=np.int64)
        return Played(nothing, nothing, nothing, none, rows.top_quality, rows.top_usd, rows.top_first_s)
    with np.errstate(invalid="ignore"):
        accepted = rows.score <= rung.limit
    point, broken = np.full(rows.n, NEVER), np.full(rows.n, NEVER)
    released = nothing
    if rung.commit is not None and rung.commit.decides:
        point, released = _at_point(rows, rung.commit)
        broken = _aborted_after(rows, rung.commit, point)
    released = released & (broken > point)
    cancelled = (broken < NEVER) | ((point < NEVER) & ~released)
    written = np.minimum(np.minimum(point, broken), rows.tokens)
    cheap = released | (accepted & ~cancelled)
    paid = np.where(cancelled, written, rows.output_tokens)
    cost = rows.input_usd + rows.token_usd * paid + np.where(cheap, 0.0, rows.top_usd)
    until = np.where(released | cancelled, written, rows.output_tokens)
    first = rows.prefill_s + rows.token_s * until + np.where(cheap, 0.0, rows.top_first_s)
    quality = np.where(cheap, rows.quality, rows.top_quality)
    return Played(cheap, released, cancelled, written, quality, cost, first)


def _at_point(rows: Streams, rule: CommitRule) -> tuple[Ints, NDArray[np.bool_]]:
    """Where each answer is decided at its commit point, `NEVER` where it is not; and whether it is released there.

    A prefix without a score is held, and the next token is looked at: the first with a score decides.
    """
    if rule.threshold is None:
        return np.full(rows.n, NEVER), np.zeros(rows.n, dtype=np.bool_)
    point = rows.point(rule.point)
    ahead = np.arange(1, rows.running.shape[1] + 1) >= point[:, None]
    known = ahead & ~np.isnan(rows.running)
    at = np.where(known.any(axis=1), known.argmax(axis=1) + 1, NEVER)
    with np.errstate(invalid="ignore"):
        return at, np.asarray(rows.at(np.where(at == NEVER, 0, at)) <= rule.threshold)


def _aborted_after(rows: Streams, rule: CommitRule, point: Ints) -> Ints:
    """After how many tokens each call is broken off before its commit point; `NEVER` where it is not."""
    if rule.abort is None:
        return np.full(rows.n, NEVER)
    tokens = np.arange(1, rows.running.shape[1] + 1)
    with np.errstate(invalid="ignore"):
        over = rows.running > rule.abort
    over &= (tokens >= rule.abort_from) & (tokens < point[:, None])
    return np.where(over.any(axis=1), over.argmax(axis=1) + 1, NEVER)
