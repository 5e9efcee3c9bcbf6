"""One finished run: all that figures, tables, plot and checks are taken from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.pilot.ablation import ArmServed
from routenlp.bench.pilot.answers import Moment
from routenlp.bench.pilot.catalogue import Catalogue
from routenlp.bench.pilot.days import OutageSeen, Plan, TaskDay
from routenlp.bench.pilot.every_row import EveryRow
from routenlp.bench.pilot.evidence import StoreEvidence
from routenlp.bench.pilot.http import HttpSeen
from routenlp.bench.pilot.in_time import Fewest
from routenlp.bench.pilot.log import ServedTable
from routenlp.bench.pilot.loop import TurnSeen
from routenlp.bench.pilot.pools import Pool
from routenlp.bench.pilot.provable import Provable
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S
from routenlp.bench.six_tasks.replayed import Models
from routenlp.conformal.verdict import Status
from routenlp.settings import Settings
from routenlp.worker.trial import Looked


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of this machine."""

    training: float
    pilot: float
    arms: float
    serving: float
    worker: float
    turns: float
    processor: float
    """Of all threads of this process."""

    @property
    def all(self) -> float:
        """From the first row to the last figure."""
        return self.training + self.pilot + self.arms


@dataclass(frozen=True, eq=False)
class World:
    """Everything."""

    plan: Plan
    settings: Settings
    generated: bool
    quick: bool
    catalogue: Catalogue
    pools: Mapping[str, Pool]
    provable: Mapping[str, Provable]
    """By task, what its calibration fold is enough for."""
    hard: frozenset[str]
    served: ServedTable
    """All queries, counted or not."""
    arms: Sequence[ArmServed]
    evidence: StoreEvidence
    standings: Sequence[TaskDay]
    outages: Sequence[OutageSeen]
    turns: Sequence[TurnSeen]
    trials: Sequence[Looked]
    """Looks that moved a candidate."""
    models: Models
    """Of the language models in the portfolio."""
    http: HttpSeen | None
    """None where it was not asked for."""
    labels_given: int
    decisions: int
    took: Took
    moments: Sequence[Moment]
    """By day."""
    statuses: Sequence[tuple[Status, bool]]
    """By way of serving: the task's status, and whether its policy decided or the top tier served by rule."""
    every_row: Mapping[str, EveryRow]
    """By task."""
    fewest_missed: Mapping[str, Fewest] = field(default_factory=dict)
    """By task, over its latency objective: what no policy of the first tiers can go under."""

    @cached_property
    def task(self) -> NDArray[np.str_]:
        """Of each query."""
        return np.array([item.task for item in self.catalogue.items])[self.served.item]

    @cached_property
    def group(self) -> NDArray[np.str_]:
        """Of each query: the unit that intervals are drawn by."""
        return np.array([f"{item.task}\0{item.example.group}" for item in self.catalogue.items])[self.served.item]

    @cached_property
    def counted(self) -> NDArray[np.bool_]:
        """Whether figures have the query."""
        return np.array([item.counted for item in self.catalogue.items])[self.served.item]

    @cached_property
    def day(self) -> NDArray[np.int64]:
        """Of each query."""
        return ((self.served.at_s - BEGIN_S) // DAY_S).astype(np.int64)

    @property
    def tasks(self) -> list[str]:
        """Of the mix, in its order, as far as there are rows."""
        return [task for task in self.plan.mix if task in self.pools]

    def of_task(self, task: str) -> NDArray[np.bool_]:
        """Counted queries of it."""
        return np.asarray((self.task == task) & self.counted)
