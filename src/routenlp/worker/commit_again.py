"""Commit rules of a task that is calibrated again: proved anew on the same audits, or set aside until they can be.

    a rung is proved whole ─▶ its audits have tokens? ─▶ walk both modes, a look of its own ─▶ proved: streams commit
                                     │ no                          │ not proved
                                     └────────▶ streams are buffered, with the reason ◀┘

A rule that is set aside decides nothing, and keeps its commit point: audits go on keeping what it needs to be proved.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from routenlp.cascade.committing import Committing
from routenlp.cascade.policy import Policy
from routenlp.conformal.verdict import Status
from routenlp.drift.recalibration import level
from routenlp.replay.audited import AuditRow, Walked, fewest_rows
from routenlp.replay.rungs import Rung
from routenlp.replay.streaming.audited import FEWEST_PREFIXES, StreamsProved, paired, play_both, prove_streams
from routenlp.replay.streaming.audited_play import Commits, known
from routenlp.replay.wanted import Wanted
from routenlp.settings import Settings
from routenlp.store.sql.settled import Settled
from routenlp.worker.calibration_split import Split, beside_missing, evidence_of

_LOG = logging.getLogger("routenlp.worker")
_WALKED = ("quality_ratio", "joint")


@dataclass(frozen=True, slots=True)
class CommitAgain:
    """What becomes of the commit rules of tasks that are calibrated again."""

    commits: Mapping[str, Commits] = field(default_factory=dict)
    """By task and tier, of the version to come; those set aside decide nothing."""
    walked: Walked | None = None
    """What to deploy, where they were proved; None: what was proved whole."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """JSON values: `commit`, and of what is deployed where they were proved. `commit.tested`: it was a look at rows."""


def commit_again(
    policy: Policy,
    tasks: Sequence[str],
    rungs: tuple[Rung, ...],
    split: Split,
    asked: Wanted,
    missing: Settled,
    settings: Settings,
) -> CommitAgain:
    """`asked`: with the whole delta, of which the walk has the next look's share. Streams are looked at only where the
    settings have the task commit, and the policy has a rule for it, set aside or not."""
    every = policy.stop_rule.commits if isinstance(policy.stop_rule, Committing) else {}
    aside = {
        task: {tier: replace(rule, threshold=None, abort=None) for tier, rule in every[task].items()}
        for task in tasks
        if every.get(task)
    }
    wanting = [task for task in tasks if task in aside and settings.streaming_of(task) == "commit"]
    if not wanting:
        return CommitAgain(aside)
    tested = replace(asked, target=replace(asked.target, delta=level(asked.target.delta, split.looks + 1)))
    found = _looked_at(policy, tasks, rungs, split, tested, every[wanting[0]], settings)
    if isinstance(found, str):
        return _set_aside(wanting, aside, {"tested": False, "reason": found})
    evidence = _evidence(found, tested)
    if found.verdict.status is not Status.CERTIFIED:
        return _set_aside(wanting, aside, evidence | {"reason": found.verdict.reason})
    if found.cost_ratio is None or found.cost_ratio >= 1.0:
        return _set_aside(wanting, aside, evidence | {"reason": "What passed would save nothing."})
    return _proved(found, tasks[0], rungs, split, tested, missing, evidence)


def _looked_at(
    policy: Policy,
    tasks: Sequence[str],
    rungs: tuple[Rung, ...],
    split: Split,
    tested: Wanted,
    commits: Commits,
    settings: Settings,
) -> StreamsProved | str:
    """What the audits say of the streams; in words, why nothing was looked at."""
    target, fewest = tested.target, fewest_rows(tested.target)
    rows = _since_kept(split.rows, commits)
    usable = [row for row in rows if known(row, commits)]
    lack = 1.0 - len(usable) / max(len(rows), 1)
    if len(tasks) > 1:
        return "The task is proved together with others, and a commit rule is proved of one task by itself."
    if target.walked not in _WALKED:
        return f"The task's rule is {target.guarantee}, and streams are proved by {' or '.join(_WALKED)}."
    if len(usable) < fewest:
        return (
            f"{len(usable):,} audits have the token probabilities of every tier that commits, of {fewest:,} at least."
        )
    if lack > settings.audit.most_missing:
        return f"Of {lack:.1%} of the audits the token probabilities are missing, and audit.most_missing is less."
    guide = [row for row in split.guide if known(row, commits)]
    ladder = paired(policy, tasks[0], rungs, commits, guide)
    if ladder is None:
        return f"Under {FEWEST_PREFIXES} audits beside those to be tested come to the commit point."
    played, guided = (play_both(policy, tasks[0], ladder, part) for part in (usable, guide))
    return prove_streams(ladder, usable, played, guide, guided, target, seed=settings.seed)


def _since_kept(rows: Sequence[AuditRow], commits: Commits) -> Sequence[AuditRow]:
    """From the first audit on whose tokens were kept: earlier ones are from before the task was to commit."""
    first = next((at for at, row in enumerate(rows) if known(row, commits)), len(rows))
    return rows[first:]


def _set_aside(tasks: Sequence[str], aside: Mapping[str, Commits], evidence: dict[str, Any]) -> CommitAgain:
    _LOG.warning(
        "%s: no commit rule is proved on these audits, so that streams are to be buffered. %s",
        ", ".join(tasks),
        evidence["reason"],
    )
    return CommitAgain(aside, None, {"commit": {"proved": False, **evidence}})


def _proved(
    found: StreamsProved,
    task: str,
    rungs: tuple[Rung, ...],
    split: Split,
    tested: Wanted,
    missing: Settled,
    evidence: dict[str, Any],
) -> CommitAgain:
    verdict = found.verdict
    judged = verdict.n - found.gold
    walked = Walked(verdict, found.step, found.cost_ratio, None, found.gold, judged, found.lam, found.top, found.cheap)
    deployed = evidence_of(walked, tested, rungs, split) | beside_missing(walked, missing)
    deployed.pop("labels_needed")  # as the walk of whole answers says
    return CommitAgain({task: found.pair.commits}, walked, deployed | {"commit": {"proved": True, **evidence}})


def _evidence(found: StreamsProved, tested: Wanted) -> dict[str, Any]:
    verdict = found.verdict
    return {
        "tested": True,
        "level": tested.target.delta,
        "n": verdict.n,
        "step": found.step,
        "estimate": verdict.estimate,
        "bound": verdict.bound,
        "tested_from": verdict.tested_from,
        "cost_ratio": found.cost_ratio,
        "whole_cost_ratio": found.whole_cost_ratio,
        "released": found.released,
        "thresholds": {tier: rule.threshold for tier, rule in found.pair.commits.items()},
        "reason": verdict.reason,
    }
