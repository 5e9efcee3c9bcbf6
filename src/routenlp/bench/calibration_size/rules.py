"""The four rules, each calibrated many times over: which policy every draw of calibration rows would deploy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from routenlp.bench.calibration_size.deployed import Bools, Effects, Ints, effects
from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.binomial import lower_tail
from routenlp.conformal.conditional import most_testable
from routenlp.conformal.paper import PaperThreshold, paper_threshold
from routenlp.replay.recorded import Recorded
from routenlp.types import FloatArray

ALPHA = 0.05
EPS = 0.03
DELTA = 0.1
PAPER = "paper"

PValues = Callable[[Effects, int, Ints], FloatArray]
"""p(effects, policy, rows drawn (draws, n)): one p-value a draw."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What every draw deployed."""

    thresholds: FloatArray
    """Of the distinct policies, shape (policies, tiers); NaN where a tier accepts nothing."""
    policy: Ints
    """Which of them each draw deployed; shape (draws,)."""
    not_given: Bools
    """Draws in which the rule said that it promises nothing; shape (draws,)."""


@dataclass(frozen=True, slots=True)
class Certifying:
    """A rule that walks a ladder fixed on training rows."""

    target: float
    p_values: PValues
    risk: Callable[[Effects], FloatArray]
    """What the rule keeps at or under its target, of each policy."""
    from_training: bool = False
    """Whether the walk begins where the training rows say that the test is surest to pass."""


def _joint(found: Effects, g: int, rows: Ints) -> FloatArray:
    return lower_tail(found.lost[g][rows].sum(axis=1), rows.shape[1], ALPHA)


def _conditional(alpha: float) -> PValues:
    def test(found: Effects, g: int, rows: Ints) -> FloatArray:
        return lower_tail(found.lost[g][rows].sum(axis=1), found.cheap[g][rows].sum(axis=1), alpha)

    return test


def _quality_ratio(found: Effects, g: int, rows: Ints) -> FloatArray:
    z = ((1.0 - EPS) * found.top_quality - found.quality[g])[rows]
    return p_values(Bounded(z, -1.0, 1.0), np.arange(rows.shape[1]), DELTA)


def _of_queries(found: Effects) -> FloatArray:
    return np.asarray(found.lost.mean(axis=1))


def _of_accepted(found: Effects) -> FloatArray:
    return np.asarray(found.lost.sum(axis=1) / np.maximum(found.cheap.sum(axis=1), 1.0))


def _quality_lost(found: Effects) -> FloatArray:
    return np.asarray(1.0 - found.quality.mean(axis=1) / found.top_quality.mean())


CERTIFYING: Mapping[str, Certifying] = {
    "joint 0.05": Certifying(ALPHA, _joint, _of_queries),
    "conditional 0.05": Certifying(ALPHA, _conditional(ALPHA), _of_accepted, from_training=True),
    "conditional 0.10": Certifying(0.10, _conditional(0.10), _of_accepted, from_training=True),
    "quality_ratio 0.03": Certifying(EPS, _quality_ratio, _quality_lost),
}
"""Each at delta 0.1."""


def certify(
    rule: Certifying, ladder: FloatArray, train: Recorded, found: Effects, rows: Ints, *, delta: float = DELTA
) -> Deployed:
    """Walk `ladder` once for each draw, as `conformal.walk` does: on while the test passes, deploy the last that did.

    `found`: effects of the ladder on the rows that are drawn from; `rows`: drawn positions, shape (draws, n). Rows are
    drawn independently, so that each is a unit of its own. Policy 0 is always-top.
    """
    start = _start(rule, ladder, train) if rule.from_training else 1
    deployed = np.zeros(len(rows), dtype=np.int64)
    alive = np.arange(len(rows))
    for g in range(start, len(ladder) + 1):
        alive = alive[rule.p_values(found, g - 1, rows[alive]) <= delta]
        if len(alive) == 0:
            break
        deployed[alive] = g
    always_top = np.full((1, ladder.shape[1]), np.nan)
    return Deployed(np.concatenate([always_top, ladder]), deployed, deployed == 0)


def _start(rule: Certifying, ladder: FloatArray, train: Recorded) -> int:
    said = effects(train, ladder)
    return most_testable(said.cheap > 0.0, said.lost > 0.0, alpha=rule.target)


def publish(recorded: Recorded, rows: Ints, *, alpha: float = ALPHA) -> Deployed:
    """The paper's rule, tier by tier, on each draw of rows; every draw has a policy of its own."""
    cheap = len(recorded.tiers) - 1
    found = [[_threshold(recorded, k, drawn, alpha) for k in range(cheap)] for drawn in rows]
    limits = [[np.nan if t.threshold is None else t.threshold for t in draw] + [np.nan] for draw in found]
    not_given = [not all(t.promise_given for t in draw) for draw in found]
    return Deployed(np.array(limits), np.arange(len(rows)), np.array(not_given))


def _threshold(recorded: Recorded, k: int, rows: Ints, alpha: float) -> PaperThreshold:
    return paper_threshold(recorded.score[rows, k], recorded.handled[rows, k], alpha)
