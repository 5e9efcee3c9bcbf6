"""The candidate beside the policy in force, each with its own students, on the gate rows: what the gate decides on; and
on calibration rows, for what is not to come before it.

Only tasks that were taught are compared: on any other, both policies give the same answers at the same cost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.policy import Policy
from routenlp.loop.clusters import assign
from routenlp.loop.compared import NO_SEGMENT, Compared
from routenlp.replay.recorded import Recorded
from routenlp.replay.serve import lookups, serve
from routenlp.store import artefacts, policies
from routenlp.store.rows_book import TaskRows
from routenlp.types import ClusterSpace, Example, FloatArray
from routenlp.wiring import POLICY, TIERS
from routenlp.worker.turn.plan import middle
from routenlp.worker.turn.system import TurnSystem, load_students


def compare(
    system: TurnSystem,
    candidate: Path,
    taught: Collection[str],
    spaces: Mapping[str, ClusterSpace],
    rows: Callable[[TaskRows], Sequence[Example]] = lambda its: its.gate.examples,
) -> tuple[Compared, ...]:
    """One a task that was taught. `spaces`: by task, where failures were grouped before any gate row was seen."""
    policy = policies.load(candidate / POLICY, system.router_encoder)
    tiers = [tier.name for tier in system.student_tiers]
    students = {t: load_students(artefacts.read(candidate / TIERS / t), system.encoders) for t in tiers}
    out = []
    for task in sorted(taught):
        examples = rows(system.rows[task])
        before = system.answered(system.students, task, examples)
        after = system.answered(students, task, examples)
        out.append(_compared(system, (system.policy, before), (policy, after), examples, spaces.get(task)))
    return tuple(out)


@dataclass(frozen=True, slots=True, eq=False)
class _Served:
    """What one policy returns on each row; arrays of shape (n,)."""

    quality: FloatArray
    cost_usd: FloatArray
    cheap: NDArray[np.bool_]
    """Whether the answer is from a tier under the task's top one."""


def _compared(
    system: TurnSystem,
    current: tuple[Policy, Recorded],
    candidate: tuple[Policy, Recorded],
    examples: Sequence[Example],
    space: ClusterSpace | None,
) -> Compared:
    old, new = _served(*current, examples), _served(*candidate, examples)
    before = current[1]
    segments = np.full(len(examples), NO_SEGMENT, dtype=np.int64)
    if space is not None:
        segments = assign(space, middle(system.rich.encode([e.query.text for e in examples])))
    return Compared(
        before.task,
        before.ids,
        before.groups,
        old.quality,
        new.quality,
        before.quality[:, -1],
        old.cost_usd,
        new.cost_usd,
        before.cost_usd[:, -1],
        new.cheap,
        segments,
    )


def _served(policy: Policy, recorded: Recorded, examples: Sequence[Example]) -> _Served:
    """The top tier serves a task with a policy that would use tiers which the task may not."""
    rows, top = np.arange(recorded.n), len(recorded.tiers) - 1
    if not set(policy.tiers_of(recorded.task)) <= set(recorded.tiers):
        return _Served(recorded.quality[:, top], recorded.cost_usd[:, top], np.zeros(recorded.n, dtype=np.bool_))
    backends = lookups(recorded)
    traces = [serve(policy, backends, example.query) for example in examples]
    position = {tier: k for k, tier in enumerate(recorded.tiers)}
    final = np.array([position[trace.answer.tier] for trace in traces], dtype=np.int64)
    cost_usd = np.array([trace.cost_usd for trace in traces])
    return _Served(recorded.quality[rows, final], cost_usd, final < top)
