"""Tasks that a certificate is about together: calibrated together, on the audits of all, along the ladder of all.

What a pool promises is about the queries of its tasks taken together, so another rule for one of them leaves nothing
proved of the others: they are walked and renewed at once, or all lose their certificate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from routenlp.cascade.decision import Utility
from routenlp.cascade.policy import Policy, fingerprint
from routenlp.conformal.verdict import Status
from routenlp.replay.audited import AuditRow, Played, play
from routenlp.replay.rungs import KeptLadder, Rung, rungs_of
from routenlp.replay.wanted import Wanted
from routenlp.store.sql.settled import Settled
from routenlp.worker.calibration_rows import Gathered


def pool_of(
    policy: Policy, task: str, kept: Mapping[str, KeptLadder], asked: Callable[[str], Wanted]
) -> tuple[str, ...]:
    """The tasks that `task` is proved with, itself among them; by itself where it is proved alone, where nothing is
    proved, and where they are asked different things, or have different tiers or ladders, by now.
    """
    certificate = policy.certificates.get(task)
    over = () if certificate is None or certificate.status is Status.EMPIRICAL else certificate.over
    if not over or not set(over) <= set(policy.tasks):
        return (task,)
    same = all((asked(name), policy.tiers_of(name)) == (asked(task), policy.tiers_of(task)) for name in over)
    return over if same and len({_ladder(policy, name, kept) for name in over}) == 1 else (task,)


def _ladder(policy: Policy, task: str, kept: Mapping[str, KeptLadder]) -> tuple[str, ...] | None:
    rungs = rungs_of(policy.stop_rule, task, kept.get(task))
    if rungs is None:
        return None
    return tuple(fingerprint(rung.parts()) if isinstance(rung, Utility) else str(rung) for rung in rungs)


def proved_with(policy: Policy, changed: Collection[str]) -> set[str]:
    """Tasks of which nothing stays proved when those in `changed` are: these, and those of their pools. An EMPIRICAL
    certificate proves nothing, so that of another task it takes nothing away.
    """
    proved = {t: its.over for t, its in policy.certificates.items() if its.status is not Status.EMPIRICAL}
    return {*changed, *(task for task, over in proved.items() if not set(over).isdisjoint(changed))}


def one_ladder(kept: Sequence[KeptLadder | None]) -> KeptLadder | None:
    """Of all tasks of a pool, as if their training rows were one task's; None where none was kept."""
    every = [ladder for ladder in kept if ladder is not None]
    if len(every) <= 1:
        return every[0] if every else None
    wide = ("quality", "cheap", "cost_usd")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(its, name) for its in every], axis=int(name in wide))
        for name in (*wide, "top", "groups", "trained_on")
    }
    return replace(every[0], **joined)


def one_pool(found: Sequence[Gathered]) -> Gathered:
    """All their audits, in the order in which the queries came."""
    timed = sorted(
        ((at_s, row) for its in found for at_s, row in zip(its.at_s, its.rows, strict=True)), key=lambda one: one[0]
    )
    left_out = sum((Counter(its.left_out) for its in found), Counter[str]())
    return Gathered(tuple(row for _, row in timed), tuple(at_s for at_s, _ in timed), dict(left_out))


def all_settled(found: Sequence[Settled]) -> Settled:
    """Their sum."""
    reasons = sum((Counter(its.reasons) for its in found), Counter[str]())
    return Settled(
        sum(its.graded for its in found),
        sum(its.missing for its in found),
        sum(its.unreached for its in found),
        dict(reasons.most_common()),
    )


def play_each(policy: Policy, rungs: Sequence[Rung], rows: Sequence[AuditRow]) -> Played:
    """`replay.audited.play`, where rows may be of several tasks with the same tiers: each by its own task's rule."""
    final = np.zeros((len(rungs), len(rows)), dtype=np.int64)
    cost = np.zeros(final.shape)
    for task in sorted({row.query.task for row in rows}):
        at = [i for i, row in enumerate(rows) if row.query.task == task]
        played = play(policy.router, policy.stop_rule, task, rungs, [rows[i] for i in at])
        final[:, at], cost[:, at] = played.final, played.cost_usd
    return Played(final, cost)
