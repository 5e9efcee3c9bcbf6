"""Which audits say something of quality, with what grades, and why the others do not.

A judge's grades are never taken as truth: where some of a task's audits were drawn for gold, theirs correct the judge's
(`conformal.predictions`); where none were, the judge's figure stands apart under its own name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.conformal.predictions import Gold, corrected
from routenlp.draws import draw
from routenlp.store.sql.graded import Quality
from routenlp.store.sql.reported import ReportedAudit
from routenlp.types import FloatArray

AWAITS_GOLD = "drawn for gold, and waits for it"
NOT_WHOLE = "the served answer or the top tier's has no grade"
JUDGE_ALONE = "graded by a judge alone, and no draw for gold has reached it"
WAITS: Mapping[str, str] = {"pending": "waits to be run", "answered": "waits for a grade"}
"""By state."""


@dataclass(frozen=True, slots=True, eq=False)
class Graded:
    """Audits as rows; arrays of shape (n,)."""

    audits: tuple[ReportedAudit, ...]
    weight: FloatArray
    """1 / propensity: so many requests each stands for."""
    served: FloatArray
    """Quality of the answer that was given; beyond [0, 1] where a judge was corrected."""
    top: FloatArray
    failed: FloatArray
    """1 where the answer given is under `handled_at`; corrected like it."""
    gold: int
    """Rows that people graded; the others are a judge's, corrected."""

    @property
    def groups(self) -> list[str]:
        """Of each row."""
        return [audit.group for audit in self.audits]

    def of(self, chosen: Sequence[int]) -> Graded:
        """Only these rows."""
        index = np.asarray(chosen, dtype=np.int64)
        arrays = (self.weight[index], self.served[index], self.top[index], self.failed[index])
        return Graded(tuple(self.audits[i] for i in chosen), *arrays, self.gold)


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """A task's audits."""

    graded: Graded
    judged: Graded
    """Those that a judge alone graded: no truth."""
    left_out: tuple[tuple[ReportedAudit, str], ...]
    """Drawn, and without a grade that counts: each with why."""

    def reasons(self) -> dict[str, int]:
        """How many were left out, by why."""
        return dict(sorted(Counter(why for _, why in self.left_out).items()))


def sort_audits(audits: Sequence[ReportedAudit], handled_at: float) -> Sorted:
    """Each audit into one part; `handled_at`: the task's quality under which an answer has failed."""
    pairs = [(audit, _why_not(audit)) for audit in audits]
    known = [audit for audit, why in pairs if why is None]
    judged = [audit for audit, why in pairs if why == JUDGE_ALONE]
    left = tuple((audit, why) for audit, why in pairs if why is not None)
    return Sorted(_graded(known, handled_at), _by_judge(judged, handled_at), left)


def _why_not(audit: ReportedAudit) -> str | None:
    """Why it says nothing of quality; None where it does."""
    if audit.state != "graded":
        return WAITS.get(audit.state) or f"missing: {audit.reason or 'no reason on record'}"
    pair = _pair(audit)
    if pair is None:
        return NOT_WHOLE
    if all(quality.gold is not None for quality in pair):
        return None
    if any(quality.judged is None for quality in pair):
        return NOT_WHOLE
    if audit.gold_propensity is None:
        return JUDGE_ALONE
    return AWAITS_GOLD if draw("gold", audit.trace_id) < audit.gold_propensity else None


def _pair(audit: ReportedAudit) -> tuple[Quality, Quality] | None:
    """Of the answer given and of the top tier's."""
    served = audit.qualities.get(audit.served or "")
    top = audit.qualities.get(audit.top)
    return None if served is None or top is None else (served, top)


def _graded(audits: list[ReportedAudit], handled_at: float) -> Graded:
    gold, judged = (_columns(audits, source) for source in ("gold", "judged"))
    drawn = np.asarray(~np.isnan(gold).any(axis=0), dtype=np.bool_)
    if drawn.all():
        return _as_rows(audits, gold, _failed(gold[0], handled_at), len(audits))
    chance = np.array([audit.gold_propensity or 1.0 for audit in audits])
    which = Gold(drawn, chance)
    trust = 0.0 if np.isnan(judged).any() else 1.0
    values = corrected(np.nan_to_num(judged), np.nan_to_num(gold), which, trust)
    lost = corrected(_failed(judged[0], handled_at), _failed(gold[0], handled_at), which, trust)
    return _as_rows(audits, values, lost, int(drawn.sum()))


def _by_judge(audits: list[ReportedAudit], handled_at: float) -> Graded:
    judged = _columns(audits, "judged")
    return _as_rows(audits, judged, _failed(judged[0], handled_at), 0)


def _as_rows(audits: list[ReportedAudit], values: FloatArray, failed: FloatArray, gold: int) -> Graded:
    weight = np.array([1.0 / audit.propensity for audit in audits])
    return Graded(tuple(audits), weight, values[0], values[1], failed, gold)


def _columns(audits: list[ReportedAudit], source: str) -> FloatArray:
    """Shape (2, n): the answer given and the top tier's; NaN where this source graded not both."""
    table = np.full((2, len(audits)), np.nan)
    for i, audit in enumerate(audits):
        pair = [getattr(quality, source) for quality in _pair(audit) or ()]
        if pair and None not in pair:
            table[:, i] = pair
    return table


def _failed(quality: FloatArray, handled_at: float) -> FloatArray:
    return np.asarray(np.nan_to_num(quality) < handled_at, dtype=np.float64)
