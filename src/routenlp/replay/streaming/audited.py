"""Proves a task's commit rules anew on audits, along the ladder of its rungs, in both modes.

Each rung has a threshold for prefixes beside it: it releases as large a share of a tier's prefixes as the rung accepts
of the tier's whole answers. Audits that are not tested choose the thresholds, and where the walk begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from routenlp.cascade.commit import CommitRule
from routenlp.cascade.policy import Policy
from routenlp.conformal.verdict import Verdict
from routenlp.replay.audited import AuditRow, Played
from routenlp.replay.backtest.certify import Replays, Target
from routenlp.replay.rungs import Rung
from routenlp.replay.streaming.audited_play import Commits, Pair, looks, play_streams
from routenlp.replay.streaming.certify import first_step, in_all, units_of
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


def prove_streams(
    policy: Policy,
    task: str,
    ladder: Sequence[Pair],
    rows: Sequence[AuditRow],
    guide: Sequence[AuditRow],
    target: Target,
    *,
    seed: int,
) -> StreamsProved:
    """The boldest policy that holds `target` on `rows` streamed and whole, walked by `quality_ratio` or `joint`.

    People, or a metric against what people wrote, graded every row of `rows`, and of `guide` those that count. Raises
    `SettingsError` for another rule.
    """
    graded = [row for row in guide if row.gold is not None]
    groups = _numbered([row.group for row in (*graded, *rows)])
    trained, tested = groups[: len(graded)], groups[len(graded) :]
    units = units_of(trained, tested, seed)
    modes = (ladder, [Pair(pair.rung, {}) for pair in ladder])
    rehearsed = [_replays(play_streams(policy, task, mode, graded).played, graded) for mode in modes]
    streams, whole = (play_streams(policy, task, mode, rows) for mode in modes)
    seen = [_replays(one.played, rows) for one in (streams, whole)]
    start = first_step(rehearsed, target, units_of(trained, trained, seed), units)
    verdict = in_all(seen, target, units, start)
    step = verdict.selected
    return StreamsProved(
        verdict=verdict,
        pair=ladder[step],
        step=step,
        cost_ratio=_ratio(seen[0], step),
        whole_cost_ratio=_ratio(seen[1], step),
        released=float(streams.released[step].mean()),
        top=float(seen[0].top.mean()),
        cheap=float(seen[0].cheap[step].mean()),
    )


def _at_point(policy: Policy, rows: Sequence[AuditRow], tier: str, rule: CommitRule) -> FloatArray:
    """Scores of the prefixes that come to the commit point, and are not aborted before."""
    never = replace(rule, threshold=None)
    found = []
    for row in rows:
        seen = looks(policy.scorer, row, tier, rule, policy.router.route(row.query))
        if seen and seen[-1].at_point and not any(_aborts(never, look.said.token_probs, look.score) for look in seen):
            found.append(seen[-1].score)
    return np.array(found, dtype=np.float64)


def _aborts(rule: CommitRule, token_probs: Sequence[float], score: float) -> bool:
    return rule.abort is not None and len(token_probs) >= rule.abort_from and score > rule.abort


def _replays(played: Played, rows: Sequence[AuditRow]) -> Replays:
    graded = [[row.gold[tier] for tier in row.answers] for row in rows if row.gold is not None]
    table = np.array(graded, dtype=np.float64).reshape(len(rows), -1)
    quality = table[np.arange(len(rows)), played.final]
    return Replays(quality, played.cost_usd, played.final != played.final[:1], quality[0], played.cost_usd[0])


def _ratio(seen: Replays, step: int) -> float | None:
    ratio = float(seen.cost_ratio[step])
    return ratio if np.isfinite(ratio) else None


def _numbered(names: Sequence[str]) -> Ints:
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1].astype(np.int64)
