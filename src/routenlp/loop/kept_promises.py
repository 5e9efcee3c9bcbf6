"""Whether a candidate on trial keeps what its certificates promise, beside the top tier, while it may serve everything.

The canary compares it with the policy in force: where both fall, as when a tier becomes worse under both, or where it
falls and the policy in force would not have, that comparison speaks late. So the detector of what serves
(`drift.detector`) looks at the candidate's answers too, on every audit since the trial began.

With R its statistic, R_n - n is a supermartingale as long as the promise is kept, so that R reaches B within N audits
with probability at most N / B (Doob). B = N x promises / level: all promises kept, a candidate is taken back for one of
them with probability at most `level` over the whole trial.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routenlp.drift.detector import Detector
from routenlp.drift.watches import Audited, watch
from routenlp.loop.compared import Compared, first_of_each_group
from routenlp.loop.coverage import Promise


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that is not kept any more."""

    task: str
    rule: str
    target: float
    audits: int
    """After which it was evident."""


def broken_promise(
    tasks: Sequence[Compared], promises: Mapping[str, Promise], *, most_audits: int, level: float
) -> Broken | None:
    """The first, by task, that is evidently broken; None where none is. `tasks`: audits in the order in which they
    came, of each conversation the first; `most_audits`: of the longest trial.
    """
    known = [(rows, promises[rows.task]) for rows in tasks if rows.task in promises]
    for rows, promise in known:
        found = _broken_after(rows, promise, most_audits * len(known) / level)
        if found is not None:
            return Broken(rows.task, promise.rule, promise.target, found)
    return None


def _broken_after(rows: Compared, promise: Promise, b: float) -> int | None:
    own = rows.rows(first_of_each_group(rows.groups))
    detector = Detector(watch(promise.rule, promise.target), b)
    state = detector.start()
    for at in range(own.n):
        x = detector.watch.sample(_audited(own, at, promise))
        state = state if x is None else detector.see(state, x)
        if detector.alarmed(state):
            return at + 1
    return None


def _audited(rows: Compared, at: int, promise: Promise) -> Audited:
    """Nothing is known of first answers, which `paper` alone asks for: it promises nothing of what is accepted."""
    routed = float(rows.candidate[at])
    failed = float(routed < promise.handled_at)
    return Audited(routed, float(rows.top[at]), bool(rows.cheap[at]), failed, escalated=False, right=False)
