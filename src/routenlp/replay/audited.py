"""Audits as calibration rows: a task's ladder is walked on queries that every tier has answered.

Each policy of the ladder is run on each audit by its own router and stop rule, on what the tiers answered then, at the
prices of now. Qualities are people's, or a metric's against what people wrote. Where a judge graded, its grades are
corrected by the random part of the audits that people graded too (`conformal.predictions`), which is right on average
whatever the judge is worth; without such a part nothing is proved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.kept_tokens import Tokens
from routenlp.conformal.conclude import Test, conclude
from routenlp.conformal.first_testable import first_testable
from routenlp.conformal.groups import ROWS_A_GROUP, Units, group_units, row_units, rows_to_take
from routenlp.conformal.joint import joint
from routenlp.conformal.labels_needed import for_joint, for_quality_ratio, least_for_quality_ratio
from routenlp.conformal.predictions import Gold, corrected, loss_bounds, span, tuned_lambda
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Found, Method, Status, Verdict
from routenlp.contracts import Router, StopRule
from routenlp.draws import draw
from routenlp.errors import IllegalMove
from routenlp.replay.backtest.certify import Rehearsal, Replays, Target, cheapest_step, labels_still_needed
from routenlp.replay.certify_tasks import choose
from routenlp.replay.rungs import KeptLadder, Rung, at_rung
from routenlp.replay.wanted import Wanted
from routenlp.types import Answer, FloatArray, Query, Step, Stop

GUIDE_SHARE = 0.2
"""Of the audits, that choose where a walk begins and are not tested, where nothing else can choose it."""


@dataclass(frozen=True, slots=True, eq=False)
class AuditRow:
    """One query with the answer of every tier of the policy."""

    id: str
    group: str
    query: Query
    answers: Mapping[str, Answer]
    """At the prices of now."""
    scores: Mapping[str, float | None]
    gold: Mapping[str, float] | None
    """By tier; None where no person graded it."""
    judged: Mapping[str, float] | None
    gold_propensity: float | None
    """Of being drawn for gold; None where no draw has reached it."""
    tokens: Mapping[str, Tokens] = field(default_factory=dict)
    """By tier, what is known of the tokens of its answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """Every policy of a ladder on the same audits; row 0 is always-top."""

    final: NDArray[np.int64]
    """Position of the tier whose answer was returned, shape (policies, n)."""
    cost_usd: FloatArray
    """Of every tier called, shape (policies, n)."""


@dataclass(frozen=True, slots=True)
class Walked:
    """What the audits say of the ladder."""

    verdict: Verdict
    step: int
    """The policy to deploy; 0 is always-top."""
    cost_ratio: float | None
    """Of that policy, on these audits."""
    labels_needed: int | None
    """Beyond these, until the policy that saves most would likely be proved; None: never, on what these say."""
    gold: int
    judged: int
    """Rows that a judge graded, and people did not."""
    lam: float | None
    """How far the judge was trusted; None where no judge was needed."""
    top: float
    """Mean quality of the top tier's answers on these audits."""
    cheap: float
    """Share of them that the policy to deploy answers from another tier than the top one."""


def play(router: Router, rule: StopRule, task: str, rungs: Sequence[Rung], rows: Sequence[AuditRow]) -> Played:
    """Runs them all. Each tier of the rule must have answered each row."""
    tiers = tuple(rows[0].answers) if rows else ()
    final = np.full((len(rungs), len(rows)), len(tiers) - 1, dtype=np.int64)
    cost = np.zeros(final.shape)
    rules = [at_rung(rule, task, rung) for rung in rungs]
    for i, row in enumerate(rows):
        route = router.route(row.query)
        cost[0, i] = row.answers[tiers[-1]].cost_usd
        for g, policy in enumerate(rules[1:], start=1):
            steps: tuple[Step, ...] = ()
            verdict = policy.next(route, steps)
            while not isinstance(verdict, Stop):
                if len(steps) == len(tiers):
                    raise IllegalMove("stop rule", "called a tier again", "Only a dearer tier may follow.")
                answer = row.answers[verdict.tier]
                cost[g, i] += answer.cost_usd
                steps = (*steps, Step(answer, row.scores.get(answer.tier), policy.threshold(task, answer.tier)))
                verdict = policy.next(route, steps)
            final[g, i] = tiers.index(verdict.answer.tier)
    return Played(final, cost)


def is_guide(row_id: str) -> bool:
    """Whether an audit chooses where the walk begins, by a draw that looks at nothing but its id."""
    return draw("guide", row_id) < GUIDE_SHARE


def walk_audits(
    rows: Sequence[AuditRow],
    played: Played,
    guide: Sequence[AuditRow],
    guided: Played,
    kept: KeptLadder | None,
    asked: Wanted,
    *,
    seed: int,
) -> Walked:
    """Tests on `rows` at the delta of `asked`. `guide`: audits that are not tested, and choose where the walk begins
    where no ladder was kept, and how far a judge is trusted; `guided`: the same ladder on them.
    """
    units = _units(rows, kept, guide, seed)
    if all(row.gold is not None for row in rows):
        seen = _replays(rows, played, "gold")
        rehearsal = _rehearsal(guide, guided, kept, seed)
        verdict = choose(seen, rehearsal, asked, units, _numbered(rows))
        best = cheapest_step(seen, asked.target)
        needed = 0 if _saves_most(verdict, seen, best) else labels_still_needed(seen, best, asked.target, units)
        top, cheap = float(seen.top.mean()), _cheap(played, verdict.selected)
        return Walked(verdict, verdict.selected, _ratio(seen, verdict.selected), needed, len(rows), 0, None, top, cheap)
    return _walk_judged(rows, played, guide, guided, kept, asked, units, seed)


def fewest_rows(target: Target) -> int:
    """Under which no policy can pass, whatever the rows say: testing them would spend delta for nothing."""
    if target.walked == "quality_ratio":
        return int(np.ceil(least_for_quality_ratio(1.0, eps=target.eps, delta=target.delta)))
    return for_joint(0.0, alpha=target.alpha, delta=target.delta) or 1


def _units(rows: Sequence[AuditRow], kept: KeptLadder | None, guide: Sequence[AuditRow], seed: int) -> Units:
    groups = [row.group for row in rows]
    if len(set(groups)) == len(groups):
        return row_units(len(rows), seed=seed)
    other = [row.group for row in guide]
    most = kept.rows_a_group if kept is not None else rows_to_take(other) if other else ROWS_A_GROUP
    return group_units(groups, seed=seed, rows_a_group=most)


def _numbered(rows: Sequence[AuditRow]) -> NDArray[np.int64]:
    """Each row's group, as a number."""
    return np.unique([row.group for row in rows], return_inverse=True)[1].astype(np.int64)


def _rehearsal(guide: Sequence[AuditRow], guided: Played, kept: KeptLadder | None, seed: int) -> Rehearsal:
    if kept is not None:
        return kept.rehearsal(seed=seed)
    graded = [i for i, row in enumerate(guide) if row.gold is not None]
    chosen = [guide[i] for i in graded]
    part = Played(guided.final[:, graded], guided.cost_usd[:, graded])
    return Rehearsal(_replays(chosen, part, "gold"), _units(chosen, None, chosen, seed))


def _replays(rows: Sequence[AuditRow], played: Played, source: str) -> Replays:
    quality = _returned(rows, played, source)
    cheap = played.final != played.final[0]
    return Replays(quality, played.cost_usd, cheap, quality[0], played.cost_usd[0])


def _returned(rows: Sequence[AuditRow], played: Played, source: str) -> FloatArray:
    """Quality of each policy's answers by this grader, shape (policies, n); NaN on rows that it did not grade."""
    table = np.full((len(rows), int(played.final.max(initial=0)) + 1), np.nan)
    for i, row in enumerate(rows):
        given: Mapping[str, float] | None = getattr(row, source)
        if given is not None:
            table[i] = [given[tier] for tier in row.answers]
    return np.asarray(table[np.arange(len(rows)), played.final])


def _saves_most(verdict: Verdict, seen: Replays, best: int) -> bool:
    cost = seen.cost_usd.sum(axis=1)
    proved = verdict.status in (Status.CERTIFIED, Status.ASYMPTOTIC)
    return proved and bool(cost[verdict.selected] <= cost[best])


def _cheap(played: Played, step: int) -> float:
    return float((played.final[step] != played.final[0]).mean())


def _ratio(seen: Replays, step: int) -> float | None:
    ratio = float(seen.cost_ratio[step])
    return ratio if np.isfinite(ratio) else None


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """Qualities and losses of every policy, right on average, shape (policies, n)."""

    quality: FloatArray
    lost: FloatArray
    which: Gold
    lam: float

    def first(self, policies: int) -> Corrected:
        """Of the first so many, always-top not counted."""
        return replace(self, quality=self.quality[: policies + 1], lost=self.lost[: policies + 1])


def _walk_judged(
    rows: Sequence[AuditRow],
    played: Played,
    guide: Sequence[AuditRow],
    guided: Played,
    kept: KeptLadder | None,
    asked: Wanted,
    units: Units,
    seed: int,
) -> Walked:
    target = asked.target
    found = correct(rows, played, guide, guided, target)
    gold = int(found.which.drawn.sum())
    start = 1
    if target.walked == "quality_ratio":
        train = _rehearsal(guide, guided, kept, seed)
        start = first_testable(
            train.replays.quality[1:],
            train.replays.top,
            eps=target.eps,
            delta=target.delta,
            units=train.units,
            tested_units=int(units.count * float(found.which.propensity.min())),
        )
    proved = [tested(found, target, units, start, asymptotic=a) for a in (False, True)]
    allowed = [v for v in proved if v.selected and v.status.at_least(asked.serve_when)]
    verdict = max(allowed, key=lambda v: v.selected) if allowed else _nothing(proved[0])
    needed = 0 if verdict.selected else _needed(found, played, target, units)
    costs = played.cost_usd.sum(axis=1)
    ratio = float(costs[verdict.selected] / costs[0]) if costs[0] > 0.0 else None
    top, cheap = float(np.clip(found.quality[0].mean(), 0.0, 1.0)), _cheap(played, verdict.selected)
    return Walked(verdict, verdict.selected, ratio, needed, gold, len(rows) - gold, found.lam, top, cheap)


def _nothing(verdict: Verdict) -> Verdict:
    return replace(verdict, selected=0, status=Status.UNCERTIFIED, estimate=None, bound=None)


def correct(
    rows: Sequence[AuditRow], played: Played, guide: Sequence[AuditRow], guided: Played, target: Target
) -> Corrected:
    """Of rows of which a judge graded some, or all, and people a random part of these."""
    drawn = np.array([row.gold is not None for row in rows])
    chance = np.array([row.gold_propensity or 1.0 for row in rows])
    which = Gold(drawn, chance)
    judged, gold = (_returned(rows, played, source) for source in ("judged", "gold"))
    lam = 0.0 if np.isnan(judged).any() else _trust(guide, guided, target, float(chance.min()))
    known = np.where(np.isnan(judged), 0.0, judged)  # of rows without a judge, which then weighs 0
    cheap = played.final != played.final[0]
    lost = [np.asarray(cheap & (q < target.handled_at), dtype=np.float64) for q in (known, np.nan_to_num(gold))]
    return Corrected(corrected(known, gold, which, lam), corrected(lost[0], lost[1], which, lam), which, lam)


def _trust(guide: Sequence[AuditRow], guided: Played, target: Target, chance: float) -> float:
    """lambda, from audits that are not tested; 0 where too few of them have both grades."""
    both = [i for i, row in enumerate(guide) if row.gold is not None and row.judged is not None]
    if len(both) < 20 or target.walked != "quality_ratio":
        return 0.0
    chosen = [guide[i] for i in both]
    part = Played(guided.final[:, both], guided.cost_usd[:, both])
    middle = part.final.shape[0] // 2
    z = [
        (1.0 - target.eps) * q[0] - q[middle]
        for q in (_returned(chosen, part, "judged"), _returned(chosen, part, "gold"))
    ]
    return tuned_lambda(z[0], z[1], chance)


def tested(found: Corrected, target: Target, units: Units, start: int, *, asymptotic: bool) -> Verdict:
    """The walk along policies whose qualities were corrected so."""
    if target.walked == "quality_ratio":
        return quality_ratio(
            found.quality[1:],
            found.quality[0],
            eps=target.eps,
            delta=target.delta,
            units=units,
            asymptotic=asymptotic,
            span=span(found.which, found.lam),
            start=start,
        )
    if target.walked == "joint":
        bounds = loss_bounds(found.which, found.lam)
        lost = found.lost[1:]
        return joint(lost, alpha=target.alpha, delta=target.delta, units=units, asymptotic=asymptotic, bounds=bounds)
    method = Method.NORMAL if asymptotic else Method.BETTING
    test = Test("conditional", target.alpha, target.delta, units, method, 1)
    nothing = np.ones(len(found.quality) - 1)
    verdict = conclude(test, nothing, Found(None, None, None), lambda _: Found(None, None, None))
    return replace(verdict, reason="`conditional` is tested on gold grades alone, and a judge gave most of these.")


def _needed(found: Corrected, played: Played, target: Target, units: Units) -> int | None:
    """Of the cheapest policy that holds the target on these rows."""
    if target.walked != "quality_ratio":
        return None
    top = found.quality[0]
    excess = ((1.0 - target.eps) * top - found.quality).mean(axis=1)
    cost = np.where(excess <= 0.0, played.cost_usd.sum(axis=1), np.inf)
    best = int(cost.argmin())
    if best == 0:
        return None
    width = span(found.which, found.lam) * units.largest
    groups = for_quality_ratio(
        units.sums(found.quality[best]), units.sums(top), eps=target.eps, delta=target.delta, span=width
    )
    return None if groups is None else max(0, round(groups * units.n / max(units.count, 1)) - units.n)
