"""Policies of rising boldness, fixed on training rows: a limit for whole answers, and a commit rule for prefixes.

Both rise together: policy g accepts the same share of the whole answers' scores as it releases of the prefixes'. A
policy is taken wherever the cost has fallen by another `STEP` of always-top's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from routenlp.cascade.commit import ABORT_FROM, CommitPoint, CommitRule
from routenlp.replay.backtest.certify import Replays
from routenlp.replay.streaming.play import Played, Rung, play
from routenlp.replay.streaming.rows import NEVER, Streams
from routenlp.types import FloatArray

STEP = 0.02
"""Of always-top's cost, as in `replay.backtest.ladder`."""
SHARES = np.linspace(0.005, 1.0, 200)
ALWAYS_TOP = Rung(None)


@dataclass(frozen=True, slots=True)
class Mode:
    """How streams are served. No point and no abort: buffered."""

    point: CommitPoint | None = None
    abort_loses: float | None = None
    """Share of the answers that would be accepted, or released, and are aborted at most; None: nothing is aborted."""

    def __str__(self) -> str:
        served = "buffered" if self.point is None else f"commit at {self.point}"
        return served if self.abort_loses is None else f"{served}, early abort"


BUFFERED = Mode()


def ladder(train: Streams, mode: Mode) -> tuple[Rung, ...]:
    """From always-top on. Training rows alone choose it, so that calibration may walk along it."""
    rungs, cost = [ALWAYS_TOP], 1.0
    always = float(train.top_usd.sum())
    for share in SHARES:
        rung = _at_share(train, mode, float(share))
        now = float(play(train, rung).cost_usd.sum()) / always
        if now <= cost - STEP:
            rungs.append(rung)
            cost = now
    return tuple(rungs)


def _at_share(train: Streams, mode: Mode, share: float) -> Rung:
    limit = _quantile(train.score, share)
    if mode == BUFFERED:
        return Rung(limit)
    point = mode.point or CommitPoint(1)
    threshold = None
    if mode.point is not None:
        at = train.point(mode.point)
        threshold = _quantile(train.at(np.where(at == NEVER, 0, at)), share)
    rule = CommitRule(point, threshold)
    if mode.abort_loses is not None:
        rule = replace(rule, abort=_abort(train, Rung(limit, rule), mode.abort_loses))
    return Rung(limit, rule)


def _quantile(score: FloatArray, share: float) -> float:
    """The score that this share of the answers that have one do not exceed; -1, which accepts nothing, without any."""
    known = score[~np.isnan(score)]
    return float(np.quantile(known, share, method="inverted_cdf")) if len(known) else -1.0


def _abort(train: Streams, rung: Rung, loses: float) -> float | None:
    """The least running score that at most this share of the wanted answers ever exceeds before it is decided on."""
    wanted = play(train, rung)
    rows = np.flatnonzero(wanted.cheap)
    if len(rows) == 0:
        return None
    tokens = np.arange(1, train.running.shape[1] + 1)
    before = tokens < (wanted.written + ~wanted.released)[rows, None]
    watched = before & (tokens >= ABORT_FROM) & ~np.isnan(train.running[rows])
    worst = np.where(watched, train.running[rows], 0.0).max(axis=1, initial=0.0)
    return float(np.quantile(worst, 1.0 - loses, method="inverted_cdf"))


def buffered(rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """The same policies as whoever wants whole answers is served by."""
    return tuple(rung.buffered for rung in rungs)


def play_all(rows: Streams, rungs: tuple[Rung, ...]) -> tuple[Played, ...]:
    """Every policy on the same rows."""
    return tuple(play(rows, rung) for rung in rungs)


def as_replays(played: tuple[Played, ...], rows: Streams) -> Replays:
    """As certification reads them."""
    return Replays(
        np.stack([one.quality for one in played]),
        np.stack([one.cost_usd for one in played]),
        np.stack([one.cheap for one in played]),
        rows.top_quality,
        rows.top_usd,
    )
