"""Counts, over seeded trials, what becomes of candidates whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.bench.frame import at_most
from routenlp.bench.promotion import students, worlds
from routenlp.bench.promotion.students import Student
from routenlp.bench.promotion.trial import End, Outcome, Trial, run_trial
from routenlp.bench.promotion.worlds import Kind
from routenlp.loop import canary, gate
from routenlp.loop.compared import Compared
from routenlp.loop.coverage import Promise
from routenlp.loop.delta import DELTA

TRIALS = 20
GATE_ROWS = (650, 1300)
"""The larger one is what the largest of the six tasks has."""
SHARES = (0.02, 0.05, 0.10)
"""Of the traffic, in the cluster that is harmed."""
CHECKED_ROWS, CHECKED_SHARE = 1300, 0.05
"""What the promises are made for: fewer gate rows and smaller clusters are shown, and promise less."""
LEVEL = DELTA / 2.0
"""Of a first look at the gate fold."""
MOST_COST = 1.2
"""Of always-top's mean cost: of a query with every tier called."""
_AUDITS = 3_000


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of candidate in one setting, over all trials."""

    world: str
    candidate: str
    gate_rows: int
    harmed_share: float | None
    """Of the traffic, on average; None where nothing is harmed."""
    expected: str
    """`harmful`, `neutral`, `better` or `either`: which promise it falls under."""
    trials: int
    lost: float
    """Mean quality truly lost by promoting it."""
    gain: float
    """Of always-top's bill, truly."""
    ends: dict[str, int]
    audits: int | None
    """That a canary took, in the median; None where no trial had one."""

    @property
    def promoted(self) -> float:
        """Share of the trials."""
        return self.ends.get(str(End.PROMOTED), 0) / self.trials


@dataclass(frozen=True, slots=True)
class _Tried:
    """One trial."""

    outcome: Outcome
    lost: float
    gain: float
    harmed_share: float | None


Cell = tuple[Kind, float | None]
"""A kind of candidate, and the share of the traffic in the cluster that it harms."""
CELLS: tuple[Cell, ...] = (
    (Kind.BETTER, None),
    (Kind.NEUTRAL, None),
    *((kind, share) for kind in worlds.HARMFUL for share in SHARES),
)


def simulate(trials: int, advance: Callable[[int, int], None], cells: Sequence[Cell] = CELLS) -> list[Row]:
    """Candidates in simulated worlds."""
    rows = []
    for done, (kind, share) in enumerate(cells, start=1):
        tried: dict[int, list[_Tried]] = {n: [] for n in GATE_ROWS}
        for seed in range(trials):
            for n, one in _simulated(kind, share, seed):
                tried[n].append(one)
        expected = "harmful" if kind in worlds.HARMFUL else kind.value
        rows += [_row("simulated", kind.value, n, expected, found) for n, found in tried.items()]
        advance(done, len(cells))
    return rows


def try_students(
    task: students.Task, trials: int, advance: Callable[[int, int], None], kinds: Sequence[Student] = tuple(Student)
) -> list[Row]:
    """Candidates with real students of one task."""
    tried: dict[Student, list[_Tried]] = {kind: [] for kind in kinds}
    for seed in range(trials):
        current = students.in_force(task, seed=seed)
        for kind in kinds:
            tried[kind].append(_real(task, kind, current, seed))
        advance(seed + 1, trials)
    return [_row(task.name, k.value, len(task.gate.ids), _expected(k), found) for k, found in tried.items()]


def checks(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Of the settings that promises are made for."""
    counted = [r for r in rows if r.gate_rows >= CHECKED_ROWS and (r.harmed_share or 1.0) >= 0.8 * CHECKED_SHARE]
    found = []
    for world in dict.fromkeys(r.world for r in counted):
        here = [r for r in counted if r.world == world]
        harmful = sum(r.ends.get(str(End.PROMOTED), 0) for r in here if r.expected == "harmful")
        found.append(at_most(f"{world}: harmful candidates promoted", float(harmful), 0.0))
        found += [at_most(f"{world}: share of neutral ones promoted", r.promoted, 0.10) for r in _of(here, "neutral")]
        found += [
            at_most(f"{world}: share of better ones not promoted", 1.0 - r.promoted, 0.20) for r in _of(here, "better")
        ]
    return found


def _simulated(kind: Kind, share: float | None, seed: int) -> Iterable[tuple[int, _Tried]]:
    world = worlds.make_world(seed)
    harmed = None if share is None else worlds.harmed_cluster(world, share)
    made = worlds.make_candidate(world, kind, harmed)
    truth = worlds.truth(world, made)
    promise = Promise("quality_ratio", 1.0 - worlds.RATIO, 1.0)
    trial = Trial(gate.Bar(most_usd=MOST_COST), LEVEL, canary.Plan(), {"simulated": promise})
    part = None if harmed is None else float(world.shares[harmed])
    for n in GATE_ROWS:
        rng = np.random.default_rng([seed, n])
        gate_rows = worlds.draw(world, made, n, rng, name="gate")
        audits = worlds.draw(world, made, _AUDITS, rng, name="audit")
        yield n, _Tried(_tried(trial, gate_rows, audits, seed), truth.lost, truth.gain, part)


def _real(task: students.Task, kind: Student, current: students.Served, seed: int) -> _Tried:
    made = students.candidate(task, kind, current, seed=seed)
    gate_rows, test = (students.compare(task, fold, current, made) for fold in (task.gate, task.test))
    audits = test.rows(np.random.default_rng([seed, 9]).permutation(test.n))
    plan = canary.Plan(most_audits=audits.n)
    outcome = _tried(Trial(gate.Bar(most_usd=MOST_COST), LEVEL, plan), gate_rows, audits, seed)
    gain = float((test.current_usd - test.candidate_usd).sum() / test.top_usd.sum())
    return _Tried(outcome, float(test.lost.mean()), gain, 1.0 / students.CLUSTERS if kind in students.HARMFUL else None)


def _tried(trial: Trial, gate_rows: Compared, audits: Compared, seed: int) -> Outcome:
    return run_trial(trial, gate_rows, lambda n: audits.rows(slice(0, n)), seed=seed)


def _row(world: str, candidate: str, gate_rows: int, expected: str, tried: Sequence[_Tried]) -> Row:
    took = [t.outcome.audits for t in tried if t.outcome.audits]
    parts = [t.harmed_share for t in tried if t.harmed_share is not None]
    return Row(
        world,
        candidate,
        gate_rows,
        float(np.mean(parts)) if parts else None,
        expected,
        len(tried),
        float(np.mean([t.lost for t in tried])),
        float(np.mean([t.gain for t in tried])),
        dict(Counter(str(t.outcome.end) for t in tried)),
        int(np.median(took)) if took else None,
    )


def _expected(kind: Student) -> str:
    if kind in students.HARMFUL:
        return "harmful"
    return {Student.NEUTRAL: "neutral", Student.BETTER: "better"}.get(kind, "either")


def _of(rows: Sequence[Row], expected: str) -> list[Row]:
    return [r for r in rows if r.expected == expected]
