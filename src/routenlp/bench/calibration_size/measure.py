"""What many calibrations of one rule did on rows that they had not seen: each rate under its own name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.bench.calibration_size.deployed import (
    Bools,
    Effects,
    Ints,
    effects,
    escalated_if_correct,
    never_cheap,
)
from routenlp.bench.calibration_size.published import wilson_at
from routenlp.bench.calibration_size.rules import ALPHA, CERTIFYING, PAPER, Deployed
from routenlp.replay.intervals import UNKNOWN, Interval, wilson
from routenlp.replay.recorded import Recorded
from routenlp.types import FloatArray

_DRAWS_AT_ONCE = 100
"""Some 60 MB at 6,000 rows."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One rule at one calibration size, between one set of thresholds' rows and one set of fresh rows.

    Rates are means over the calibrations that have any: an always-top policy has no cheap answer to be judged. Their
    Wilson intervals are those of one calibration's fresh rows, since all calibrations are tried on the same few
    thousand; they hold for independent rows.
    """

    calibrated_on: str
    fresh: str
    rule: str
    n: int
    draws: int
    escalated_given_correct: Interval
    """Of the cheap tiers' answers that were handled, the share escalated."""
    accepted_and_failed: Interval
    """Of all queries, the share answered by a cheap tier, and failed."""
    failed_given_accepted: Interval
    """Of the queries answered by a cheap tier, the share that failed."""
    over_target: Interval
    """Share of calibrations whose policy truly misses the rule's own target."""
    over: int
    """The number of them."""
    risk_low: float | None
    """5% quantile over calibrations of what the rule bounds."""
    risk_high: float | None
    """95% quantile of the same."""
    tiers_escalated: tuple[float, ...]
    """Rule `paper` only: for each cheap tier, P(escalated | correct) over *all* queries, mean over calibrations."""
    quality_ratio: float
    cost_ratio: float
    always_top: float
    """Share of calibrations that end there."""
    not_given: float
    """Share of calibrations in which the rule says that its promise is not given."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Which calibrations were drawn, and on which rows they are judged."""

    calibrated_on: str
    fresh: str
    rows: Ints
    """Positions drawn, shape (draws, n)."""
    judged_on: Recorded
    within: bool
    """Whether `rows` are positions in `judged_on`: a calibration is then judged on the rows that it did not draw."""


def figures(trial: Trial, rule: str, deployed: Deployed) -> Figures:
    """Judge what `rule` deployed. Whether a policy misses its target is decided on all rows of `judged_on`.

    Where rows were drawn from `judged_on` with replacement, all of it *is* the distribution that the promise is about,
    so that this is the truth and not an estimate.
    """
    found = effects(trial.judged_on, deployed.thresholds)
    sums = _sums(found, deployed.policy, _fresh(trial))
    risk = _risk(rule, trial.judged_on, deployed, found)
    over = risk > _target(rule) + 1e-12
    known = risk[np.isfinite(risk)]
    correct, escalated, cheap, lost, quality, cost, top_quality, top_cost, rows = sums
    draws, n = trial.rows.shape
    return Figures(
        calibrated_on=trial.calibrated_on,
        fresh=trial.fresh,
        rule=rule,
        n=n,
        draws=draws,
        escalated_given_correct=_mean(escalated, correct),
        accepted_and_failed=_mean(lost, rows),
        failed_given_accepted=_mean(lost, cheap),
        over_target=wilson(int(over.sum()), draws),
        over=int(over.sum()),
        risk_low=float(np.quantile(known, 0.05)) if len(known) else None,
        risk_high=float(np.quantile(known, 0.95)) if len(known) else None,
        tiers_escalated=_tiers(judged_on=trial.judged_on, deployed=deployed) if rule == PAPER else (),
        quality_ratio=float(quality.sum() / top_quality.sum()),
        cost_ratio=float(cost.sum() / top_cost.sum()),
        always_top=float(never_cheap(deployed.thresholds)[deployed.policy].mean()),
        not_given=float(deployed.not_given.mean()),
    )


def _tiers(judged_on: Recorded, deployed: Deployed) -> tuple[float, ...]:
    """Mean P(escalated | correct) of each cheap tier over the calibrations that gave it a threshold, 1 if none did."""
    shares = escalated_if_correct(judged_on, deployed.thresholds)[deployed.policy]
    given = np.isfinite(deployed.thresholds[deployed.policy, :-1]) & np.isfinite(shares)
    return tuple(float(np.mean(s[g])) if g.any() else 1.0 for s, g in zip(shares.T, given.T, strict=True))


def _fresh(trial: Trial) -> Bools:
    """Which rows each draw is judged on; shape (draws, rows)."""
    out = np.ones((len(trial.rows), trial.judged_on.n), dtype=np.bool_)
    if trial.within:
        np.put_along_axis(out, trial.rows, values=False, axis=1)
    return out


def _sums(found: Effects, policy: Ints, fresh: Bools) -> tuple[FloatArray, ...]:
    """Over the fresh rows of each draw: correct, escalated, cheap, lost, quality, cost, both of the top's, and rows."""
    columns = (found.correct, found.escalated, found.cheap, found.lost, found.quality, found.cost)
    parts = []
    for begin in range(0, len(policy), _DRAWS_AT_ONCE):
        some = slice(begin, begin + _DRAWS_AT_ONCE)
        mask = fresh[some].astype(np.float64)
        of_policy = [np.einsum("dr,dr->d", column[policy[some]], mask) for column in columns]
        parts.append([*of_policy, mask @ found.top_quality, mask @ found.top_cost, mask.sum(axis=1)])
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _mean(events: FloatArray, of: FloatArray) -> Interval:
    """The mean rate over draws that have any row to look at, with Wilson's interval for their mean number of rows."""
    some = of > 0.0
    if not some.any():
        return UNKNOWN
    return wilson_at(float(np.mean(events[some] / of[some])), float(np.mean(of[some])))


def _target(rule: str) -> float:
    return ALPHA if rule == PAPER else CERTIFYING[rule].target


def _risk(rule: str, judged_on: Recorded, deployed: Deployed, found: Effects) -> FloatArray:
    """What the rule bounds, of each draw's policy on all rows; for `paper` its worse tier, NaN where none serves."""
    if rule == PAPER:
        tiers = escalated_if_correct(judged_on, deployed.thresholds)
        serving = np.where(np.isnan(deployed.thresholds[:, :-1]), -1.0, np.nan_to_num(tiers, nan=-1.0))
        worst = serving.max(axis=1)
        return np.where(worst < 0.0, np.nan, worst)[deployed.policy]
    return CERTIFYING[rule].risk(found)[deployed.policy]
