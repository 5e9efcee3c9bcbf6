"""Whether a candidate keeps what its certificates promise, beside the top tier, on the queries that it served.

The canary compares it with the policy in force, on what both answer when they are asked again. Where both fall, as when
the traffic changes, or where a tier is worse only as it serves, that comparison is silent; and the detector of what
serves follows the policy in force, which serves nothing while the candidate has 100%. So the same detector
(`drift.detector`) looks at what the candidate served.

With R its statistic, R_n - n is a supermartingale as long as the promise is kept, so that R reaches B within N audits
with probability at most N / B (Doob). B = N x promises / level: all promises kept, a candidate is taken back for one of
them with probability at most `level` over the whole trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.drift.detector import Detector
from routenlp.drift.watches import watch
from routenlp.loop.coverage import Promise


@dataclass(frozen=True, slots=True)
class ServedAudits:
    """Graded audits of one task that the candidate served."""

    task: str
    promise: Promise
    x: tuple[float, ...]
    """What the watch of the promise says of each (`drift.watches`), in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that is not kept."""

    task: str
    rule: str
    target: float
    audits: int
    """After which it was evident."""


def broken_promise(served: Sequence[ServedAudits], *, most_audits: int, level: float) -> Broken | None:
    """The first, by task, that is evidently broken; None where none is. `most_audits`: of the longest trial."""
    for one in served:
        found = _broken_after(one, most_audits * len(served) / level)
        if found is not None:
            return Broken(one.task, one.promise.rule, one.promise.target, found)
    return None


def _broken_after(served: ServedAudits, b: float) -> int | None:
    detector = Detector(watch(served.promise.rule, served.promise.target), b)
    if min(served.x, default=0.0) < detector.watch.lowest:
        return None  # watched under another promise: the settings ask for less than was certified, or changed since
    state = detector.start()
    for n, x in enumerate(served.x, 1):
        state = detector.see(state, x)
        if detector.alarmed(state):
            return n
    return None
