"""Proves a task's commit rules anew on audits, along the ladder of its rungs, in both modes.

Each rung has a threshold for prefixes beside it: it releases as large a share of a tier's prefixes as the rung accepts
of the tier's whole answers. Audits that are not tested choose the thresholds, and where the walk begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routenlp.cascade.commit import HOLD, CommitRule
from routenlp.cascade.policy import Policy
from routenlp.conformal.groups import Units
from routenlp.conformal.verdict import Verdict
from routenlp.replay.audited import AuditRow, Corrected, Played, correct, tested
from routenlp.replay.backtest.certify import Replays, Target
from routenlp.replay.rungs import Rung
from routenlp.replay.streaming.audited_play import Commits, Pair, StreamsPlayed, judged, looks, play_streams
from routenlp.replay.streaming.certify import Walk, first_step, in_every, in_mode, numbered, units_of
from routenlp.replay.streaming.rows import Ints
from routenlp.types import FloatArray

FEWEST_PREFIXES = 30
"""That thresholds are read off, at each tier."""
_NEVER = -1.0
"""No score is as small: nothing is released by a rung that accepts nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamsProved:
    """What audits say of a task's streams."""

    verdict: Verdict
    """Of the mode with the weaker bound."""
    pair: Pair
    """To deploy; always-top's where nothing is proved."""
    step: int
    """Its place on the ladder; 0 is always-top."""
    cost_ratio: float | None
    """Of its streams over always-top's, on these audits."""
    whole_cost_ratio: float | None
    """Of the same policy where nobody asks for a stream."""
    released: float
    """Share of the streams that are given out at their commit point."""
    gold: int
    """Audits that people graded."""
    lam: float | None
    """How far a judge was trusted; None where no judge was needed."""
    top: float
    """Mean quality of the top tier's answers."""
    cheap: float
    """Share of the streams that end in another tier's answer."""


def paired(
    policy: Policy, task: str, rungs: Sequence[Rung], commits: Commits, guide: Sequence[AuditRow]
) -> tuple[Pair, ...] | None:
    """The ladder with a threshold for prefixes at each tier of `commits`, whose points and aborts stay; None where too
    few audits of `guide` come to a commit point."""
    whole = play_streams(policy, task, [Pair(rung, {}) for rung in rungs], guide)
    limits = {}
    for tier, rule in commits.items():
        scores = _at_point(policy, guide, tier, rule)
        if len(scores) < FEWEST_PREFIXES:
            return None
        at = policy.portfolio.position(tier)
        asked = whole.asked[:, :, at].sum(axis=1)
        accepted = (whole.played.final == at).sum(axis=1)
        shares = np.maximum.accumulate(accepted / np.maximum(asked, 1))
        read = np.quantile(scores, shares, method="inverted_cdf")
        limits[tier] = [float(x) if share > 0.0 else _NEVER for x, share in zip(read, shares, strict=True)]
    first, *others = rungs
    at_rungs = [{t: replace(rule, threshold=limits[t][g]) for t, rule in commits.items()} for g in range(len(rungs))]
    return (Pair(first, {}), *(Pair(rung, at_rungs[g]) for g, rung in enumerate(others, start=1)))


@dataclass(frozen=True, slots=True, eq=False)
class BothModes:
    """A ladder of pairs on the same audits."""

    streams: StreamsPlayed
    whole: StreamsPlayed
    """Where nobody asks for a stream."""


def play_both(policy: Policy, task: str, ladder: Sequence[Pair], rows: Sequence[AuditRow]) -> BothModes:
    """Runs every policy on every row, streamed and whole, as `play_streams` does."""
    whole = [Pair(pair.rung, {}) for pair in ladder]
    return BothModes(*(play_streams(policy, task, mode, rows) for mode in (ladder, whole)))


def prove_streams(
    ladder: Sequence[Pair],
    rows: Sequence[AuditRow],
    played: BothModes,
    guide: Sequence[AuditRow],
    guided: BothModes,
    target: Target,
    *,
    seed: int,
) -> StreamsProved:
    """The boldest policy that holds `target` on `rows` streamed and whole, walked by `quality_ratio` or `joint`.

    `played`, `guided`: the ladder on `rows` and on `guide`. People, or a metric against what people wrote, graded every
    row, or a judge did and they a random part of them (`replay.audited`). Raises `SettingsError` for another rule.
    """
    streams, whole = played.streams, played.whole
    rehearsed = (guided.streams.played, guided.whole.played)
    groups = numbered([row.group for row in (*guide, *rows)])
    trained, tested_groups = groups[: len(guide)], groups[len(guide) :]
    units = units_of(trained, tested_groups, seed)
    start = _start(rows, guide, rehearsed, trained, target, units, seed)
    graded = [
        _graded(rows, one.played, guide, other, target) for one, other in zip((streams, whole), rehearsed, strict=True)
    ]
    verdict = in_every([_walk(its, target, units, start) for its in graded], len(ladder) - 1)
    step, of_streams = verdict.selected, graded[0]
    return StreamsProved(
        verdict=verdict,
        pair=ladder[step],
        step=step,
        cost_ratio=_ratio(streams.played, step),
        whole_cost_ratio=_ratio(whole.played, step),
        released=float(streams.released[step].mean()),
        gold=sum(row.gold is not None for row in rows),
        lam=of_streams.lam if isinstance(of_streams, Corrected) else None,
        top=float(np.clip(of_streams.quality[0].mean(), 0.0, 1.0)),
        cheap=float((streams.played.final[step] != streams.played.final[0]).mean()),
    )


def _start(
    rows: Sequence[AuditRow],
    guide: Sequence[AuditRow],
    guided: Sequence[Played],
    groups: Ints,
    target: Target,
    units: Units,
    seed: int,
) -> int:
    """Where the walk begins, as the guides say that people graded; 1 where there are none. `units`: to be tested."""
    by_people = [i for i, row in enumerate(guide) if row.gold is not None]
    if not by_people:
        return 1
    graded = [guide[i] for i in by_people]
    parts = [Played(mode.final[:, by_people], mode.cost_usd[:, by_people]) for mode in guided]
    rehearsed = [_replays(part, graded) for part in parts]
    chance = min(row.gold_propensity or 1.0 if _by_judge(rows) else 1.0 for row in rows)
    own = units_of(groups[by_people], groups[by_people], seed)
    return first_step(rehearsed, target, own, units, chance)


def _graded(
    rows: Sequence[AuditRow], played: Played, guide: Sequence[AuditRow], guided: Played, target: Target
) -> Replays | Corrected:
    """What one mode's policies are worth: as people say, or a judge whom they correct."""
    return correct(rows, played, guide, guided, target) if _by_judge(rows) else _replays(played, rows)


def _by_judge(rows: Sequence[AuditRow]) -> bool:
    return any(row.gold is None for row in rows)


def _walk(graded: Replays | Corrected, target: Target, units: Units, start: int) -> Walk:
    if isinstance(graded, Replays):
        return in_mode(graded, target, units, start)
    return lambda policies: tested(graded.first(policies), target, units, start, asymptotic=False)


def _at_point(policy: Policy, rows: Sequence[AuditRow], tier: str, rule: CommitRule) -> FloatArray:
    """Scores of the prefixes that come to the commit point, and are not aborted before."""
    never = replace(rule, threshold=None)
    found = []
    for row in rows:
        seen = looks(policy.scorer, row, tier, rule, policy.router.route(row.query))
        if seen and seen[-1].at_point and judged(never, seen) == HOLD:
            found.append(seen[-1].score)
    return np.array(found, dtype=np.float64)


def _replays(played: Played, rows: Sequence[AuditRow]) -> Replays:
    table = np.array([[row.gold[tier] for tier in row.answers] for row in rows if row.gold is not None])
    quality = table[np.arange(len(rows)), played.final]
    return Replays(quality, played.cost_usd, played.final != played.final[:1], quality[0], played.cost_usd[0])


def _ratio(played: Played, step: int) -> float | None:
    costs = played.cost_usd.sum(axis=1)
    return float(costs[step] / costs[0]) if costs[0] > 0.0 else None
