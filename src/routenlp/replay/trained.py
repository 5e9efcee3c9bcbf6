"""`routenlp train`: a router and its stop rule from recorded outcomes, certified, measured, and ready to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.cascade.continuation import ContinuationRule
from routenlp.conformal.verdict import Status, Verdict
from routenlp.errors import DataError
from routenlp.replay.backtest.certify import Target, cheapest_step, replay_all, units_of, verdicts
from routenlp.replay.backtest.features import make_rows, take
from routenlp.replay.backtest.ladder import ContinuationLadder, fit_continuation
from routenlp.replay.backtest.points import measure_point
from routenlp.replay.backtest.rehearsal import rehearse
from routenlp.replay.backtest.result import Point
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.backtest.split import refuse_trained, some_groups
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import Tiers, asked_tiers, efficient_tiers
from routenlp.router.learned import LearnedRouter
from routenlp.training.text_features import count_texts, fit_text_frame
from routenlp.types import FloatArray

_EDGE = 1e-3


@dataclass(frozen=True, slots=True)
class TierFit:
    """How well the router foretells one tier, on calibration queries, which no fit saw."""

    tier: str
    mean_quality: float
    log_loss: float
    """Of the router's estimates; graded quality counts as a soft label."""
    log_loss_of_mean: float
    """Of the tier's mean quality on the training rows, whatever the query."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A router, the stop rule behind it, and what is known of the two."""

    encoder: HashedEncoder
    router: LearnedRouter
    stop_rule: ContinuationRule
    tiers: Tiers
    status: Status
    """Of the policy stored; UNCERTIFIED is always-top."""
    verdict: Verdict
    """The finite-sample one, or the asymptotic one where that is what serves."""
    point: Point
    """Of the policy stored, on test queries."""
    fits: tuple[TierFit, ...]
    sizes: dict[str, int]
    """Queries by fold."""


def train(
    table: OutcomeTable,
    target: Target,
    *,
    tiers: Sequence[str] | None,
    serve_when: Status,
    calibrate_most: int | None,
    seed: int,
) -> Trained:
    """Fit on the training fold, certify on the calibration fold, measure on the test fold.

    `serve_when`: the weakest status under which cheap tiers may serve; with less, the stored rule is always-top.
    Raises `DataError` where there is no text to route by, or nothing to route between.
    """
    if table.texts is None:
        raise DataError("query", "is in no row, so there is no text to route by", "Record a column `query`")
    at = fold_outcomes(table, seed=seed)
    refuse_trained(table, at.train, at.calibrate)
    chosen = asked_tiers(table, tiers) if tiers else efficient_tiers(table.rows(at.train))
    if len(chosen.names) < 2:
        raise DataError("tiers", f"{chosen.names[0]} is the cheapest model and the best", "Use it always")
    frame = fit_text_frame(counts := count_texts(table.texts), at.train, seed=seed)
    everything = make_rows(table, chosen.names, frame.features(counts))
    labelled = some_groups(table, at.calibrate, calibrate_most, seed=seed)
    fold, calibrate, test = (take(everything, rows) for rows in (at.train, labelled, at.test))
    ladder = fit_continuation(fold, seed=seed)
    step, status, verdict = _operating_point(ladder, fold, calibrate, target, serve_when, seed)
    encoder = frame.encoder()
    fitted = ladder.fitted
    router = LearnedRouter(
        encoder, frame.surface, chosen.names, fold.task_names, fitted.router, fitted.cost, fitted.top_cost_usd
    )
    return Trained(
        encoder=encoder,
        router=router,
        stop_rule=ladder.rule(step, fold),
        tiers=chosen,
        status=status,
        verdict=verdict,
        point=measure_point(ladder, test, step, target),
        fits=_tier_fits(ladder, fold, calibrate),
        sizes={"train": fold.n, "calibrate": calibrate.n, "gate": len(at.gate), "test": test.n},
    )


def _operating_point(
    ladder: ContinuationLadder, fold: Rows, calibrate: Rows, target: Target, serve_when: Status, seed: int
) -> tuple[int, Status, Verdict]:
    """The boldest policy with a status of at least `serve_when`: finite-sample, else asymptotic, else the tuned one."""
    seen, rehearsal = replay_all(ladder, calibrate), rehearse(ladder, fold, seed=seed)
    units = units_of(fold, calibrate, seed=seed)
    proved = [verdicts(seen, rehearsal, target, units, asymptotic=a)[target.walked] for a in (False, True)]
    allowed = [v for v in proved if v.selected and v.status.at_least(serve_when)]
    if allowed:
        best = max(allowed, key=lambda v: (v.selected, v.status is Status.CERTIFIED))
        return best.selected, best.status, best
    if serve_when is Status.EMPIRICAL:
        return cheapest_step(seen, target), Status.EMPIRICAL, proved[0]
    return 0, Status.UNCERTIFIED, proved[0]


def _tier_fits(ladder: ContinuationLadder, fold: Rows, calibrate: Rows) -> tuple[TierFit, ...]:
    expected = ladder.fitted.router.estimate(calibrate.features, calibrate.task)
    means = np.broadcast_to(fold.quality.mean(axis=0), expected.shape)
    return tuple(
        TierFit(
            tier,
            float(calibrate.quality[:, k].mean()),
            log_loss(calibrate.quality[:, k], expected[:, k]),
            log_loss(calibrate.quality[:, k], means[:, k]),
        )
        for k, tier in enumerate(calibrate.tiers)
    )


def log_loss(quality: FloatArray, expected: FloatArray) -> float:
    """Mean cross-entropy in nats, both of shape (n,) in [0, 1]; estimates are kept 0.001 away from 0 and 1."""
    p = np.clip(expected, _EDGE, 1.0 - _EDGE)
    return float(-(quality * np.log(p) + (1.0 - quality) * np.log(1.0 - p)).mean())
