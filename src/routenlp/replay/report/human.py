"""Human evaluation of one task: how often people found the answer that was served better than the top tier's, as good,
or worse.

Each pair stands for 1 / propensity queries that another tier than the top one answered. Pairs of equal answers are ties
that nobody is asked about; of the others, those that were compared stand for all, for the order in which people see
them is random. So with W the weights' sums, and several raters of a pair sharing it:

    P(win) = (1 - W_same / W_all) W_win / W_compared        P(tie) likewise, + W_same / W_all

Intervals are Wilson's, for as many independent pairs as the figure is worth under draws of whole conversations. They
are of queries: who else might have compared, they do not say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.conformal.groups import MIN_GROUPS
from routenlp.grading.raters import alpha, coincidences
from routenlp.replay.intervals import UNKNOWN, Interval, group_draws, percentile, wilson_share
from routenlp.store.sql.pairs import ReportedPair
from routenlp.types import FloatArray

VERDICTS = ("win", "tie", "loss")
NOT_YET = "not yet rated"
"""What stands in place of a figure until people have compared something."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Between raters, on pairs that two of them compared at least."""

    pairs: int
    alpha: Interval
    """Krippendorff's; unknown where all said the same one thing."""
    same: Interval
    """Chance that two raters of a pair say the same."""


@dataclass(frozen=True, slots=True)
class HumanEvaluation:
    """One task over the period. What nobody compared is unknown, never 0."""

    task: str
    drawn: int
    """Pairs."""
    same: int
    """Of them, those of equal answers: ties that nobody is asked about."""
    compared: int
    """Of the others, by one person at least."""
    verdicts: int
    raters: int
    groups: int
    """Conversations of those compared; under `MIN_GROUPS` shares have no interval."""
    win: Interval
    tie: Interval
    loss: Interval
    as_good: Interval
    """Win or tie: as good as the top tier's answer, or better."""
    agreement: Agreement
    first_chosen: Interval
    """Of verdicts that are no tie, the share that chose A. As A is drawn, one half but for chance: else people chose by
    place."""
    other_top: int = 0
    """Pairs drawn against a tier that is no longer the task's last one: they count nowhere."""

    @property
    def rated(self) -> bool:
        """Whether there are figures: people compared some, or all pairs are equal."""
        return self.compared > 0 or 0 < self.same == self.drawn


def human_evaluation(task: str, pairs: Sequence[ReportedPair], top: str | None, *, seed: int) -> HumanEvaluation:
    """Of the task's pairs; `top`: its last tier, None where no settings say."""
    mine = [pair for pair in pairs if pair.task == task and top in (None, pair.top)]
    asked = [pair for pair in mine if pair.verdicts]
    win, tie, loss, good = _shares(mine, seed)
    return HumanEvaluation(
        task,
        len(mine),
        sum(pair.same for pair in mine),
        len(asked),
        sum(len(pair.verdicts) for pair in asked),
        len({rater for pair in asked for rater in pair.verdicts}),
        len({pair.group for pair in asked}),
        win,
        tie,
        loss,
        good,
        _agreement(asked, seed),
        _first_chosen(asked, seed),
        sum(pair.task == task for pair in pairs) - len(mine),
    )


def _shares(pairs: Sequence[ReportedPair], seed: int) -> tuple[Interval, Interval, Interval, Interval]:
    """Win, tie, loss, and win or tie."""
    groups = [pair.group for pair in pairs]
    weight = np.array([1.0 / pair.propensity for pair in pairs])
    same = np.array([pair.same for pair in pairs], dtype=np.float64)
    asked = np.array([not pair.same and bool(pair.verdicts) for pair in pairs], dtype=np.float64)
    said = np.array([_said(pair) for pair in pairs]).reshape(-1, len(VERDICTS)) * asked[:, None]
    if not pairs or not (asked.any() or same.all()):
        return UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN
    columns = np.column_stack([np.ones(len(pairs)), same, asked, said]) * weight[:, None]
    sums, drawn = group_draws(columns, groups, seed=seed)
    found, draws = _of_sums(sums[None])[0], _of_sums(drawn)
    counting = [pair for pair in pairs if pair.same or pair.verdicts]
    most = _worth(weight * (same + asked), groups)
    # Of what nobody said even once, no draw tells how rare it is: only what was compared does, in its part of all.
    still = most if same.all() else _worth(weight * asked, groups) * float(weight.sum() / (weight @ (1.0 - same)))
    several = float(np.mean([max(len(pair.verdicts), 1) for pair in counting]))
    conversations = len({pair.group for pair in pairs if pair.verdicts or same.all()})
    intervals = [
        _interval(float(found[i]), draws[:, i], conversations, most * several, min(still, most)) for i in range(4)
    ]
    return intervals[0], intervals[1], intervals[2], intervals[3]


def _of_sums(sums: FloatArray) -> FloatArray:
    """Shape (n, 4), from sums of weight, same, asked, win, tie, loss of shape (n, 6); NaN where none were compared."""
    equal = sums[:, 1] / np.where(sums[:, 0] > 0.0, sums[:, 0], np.nan)
    compared = np.where(sums[:, 2] > 0.0, sums[:, 2], np.nan)
    all_equal = sums[:, 1] >= sums[:, 0] * (1.0 - 1e-12)
    shares = np.where(all_equal[:, None], 0.0, (1.0 - equal)[:, None] * sums[:, 3:6] / compared[:, None])
    shares[:, 1] += equal
    return np.column_stack([shares, shares[:, 0] + shares[:, 1]])


def _said(pair: ReportedPair) -> list[float]:
    """Share of its raters by verdict."""
    said = list(pair.verdicts.values())
    return [said.count(verdict) / max(len(said), 1) for verdict in VERDICTS]  # type: ignore[arg-type]


def _interval(share: float, draws: FloatArray, groups: int, most: float, still: float) -> Interval:
    """Wilson's, for the n at which an independent sample varies as `draws` do: at most `most`, and `still` where they
    do not vary at all. Without bounds under `MIN_GROUPS` conversations."""
    share = min(max(share, 0.0), 1.0)
    if groups < MIN_GROUPS:
        return Interval(share, None, None)
    spread = float(np.nanvar(draws))
    n = still if spread <= 1e-12 else min(share * (1.0 - share) / spread, most)
    return wilson_share(share, max(n, 1.0))


def _worth(weight: FloatArray, groups: Sequence[str]) -> float:
    """Independent rows that say no more than these: (sum of w)^2 / sum of w^2 over conversations (Kish 1965)."""
    names, member = np.unique(np.array(groups), return_inverse=True)
    sums = np.bincount(member, weights=weight, minlength=len(names))
    return float(sums.sum()) ** 2 / float(sums @ sums)


def _agreement(asked: Sequence[ReportedPair], seed: int) -> Agreement:
    several = [pair for pair in asked if len(pair.verdicts) > 1]
    if not several:
        return Agreement(0, UNKNOWN, UNKNOWN)
    said = [list(pair.verdicts.values()) for pair in several]
    counts = np.array([[own.count(verdict) for verdict in VERDICTS] for own in said], dtype=np.float64)  # type: ignore[arg-type]
    raters = counts.sum(axis=1)
    alike = (counts * (counts - 1.0)).sum(axis=1) / (raters * (raters - 1.0))
    groups = [pair.group for pair in several]
    shape = (len(VERDICTS), len(VERDICTS))
    columns = np.column_stack([coincidences(counts).reshape(len(several), -1), alike, np.ones(len(several))])
    sums, drawn = group_draws(columns, groups, seed=seed)
    value = float(alpha(sums[:-2].reshape(shape)))
    by_alpha = percentile(None if np.isnan(value) else value, alpha(drawn[:, :-2].reshape(-1, *shape)))
    same = percentile(float(sums[-2] / sums[-1]), drawn[:, -2] / drawn[:, -1])
    enough = len(set(groups)) >= MIN_GROUPS
    bare = Agreement(len(several), *(Interval(found.estimate, None, None) for found in (by_alpha, same)))
    return Agreement(len(several), by_alpha, same) if enough else bare


def _first_chosen(asked: Sequence[ReportedPair], seed: int) -> Interval:
    """Unweighted: it is of people, not of queries."""
    rows = [(pair.group, list(pair.first_chosen.values())) for pair in asked if pair.first_chosen]
    if not rows:
        return UNKNOWN
    groups = [group for group, _ in rows]
    columns = np.array([[sum(chosen), len(chosen)] for _, chosen in rows], dtype=np.float64)
    sums, drawn = group_draws(columns, groups, seed=seed)
    worth = _worth(columns[:, 1], groups)
    return _interval(float(sums[0] / sums[1]), drawn[:, 0] / drawn[:, 1], len(set(groups)), worth, worth)
