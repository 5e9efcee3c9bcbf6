"""The tiers of a bench that nobody trains here: they replay what was recorded, of people or of language models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from routenlp import wiring
from routenlp.backends.recorded import RecordedBackend
from routenlp.bench.six_tasks.workload import Workload
from routenlp.contracts import Backend
from routenlp.errors import BackendError
from routenlp.settings import Settings
from routenlp.types import Answer, Example, Query


class Replayed(Backend, Protocol):
    """A tier that answers what was recorded, and says what was."""

    def has(self, query: Query) -> bool:
        """Whether it has an answer to this query that was not learned from it."""


Models = Mapping[tuple[str, str], Replayed]
"""By tier and task, what was recorded of a language model there."""


def references(examples: Sequence[Example]) -> dict[str, str]:
    """The human labels by query id."""
    return {e.query.id: e.reference for e in examples}


def labels_on_top(settings: Settings, workload: Workload) -> dict[str, Replayed]:
    """The top tier as the human labels of all rows: the yardstick, and no model."""
    top = wiring.portfolio(settings).tiers[-1]
    return {top.name: RecordedBackend(top, _labels(workload))}


def models_beside_labels(settings: Settings, workload: Workload, models: Models) -> dict[str, Replayed]:
    """The same, but for tasks that a model was recorded on, where that answers alone; and the other recorded tiers."""
    rest = labels_on_top(settings, workload)
    out = dict(rest)
    for name in dict.fromkeys(tier for tier, _ in models):
        of_task = {task: model for (tier, task), model in models.items() if tier == name}
        out[name] = _EachTask(name, of_task, rest.get(name))
    return out


@dataclass(frozen=True, slots=True)
class _EachTask:
    """A tier that is another recording on some tasks."""

    name: str
    of_task: Mapping[str, Replayed]
    rest: Replayed | None

    def has(self, query: Query) -> bool:
        model = self.of_task.get(query.task, self.rest)
        return model is not None and model.has(query)

    def answer(self, query: Query) -> Answer:
        model = self.of_task.get(query.task, self.rest)
        if model is None:
            raise BackendError(f"tier {self.name!r}", f"was not recorded on task {query.task!r}", "Wall it off.")
        return model.answer(query)


def _labels(workload: Workload) -> dict[str, str]:
    every = (f for folds in workload.folds.values() for f in (folds.train, folds.calibrate, folds.gate, folds.test))
    return {id_: label for fold in every for id_, label in references(fold.examples).items()}


def only_replayed(tiers: Mapping[str, Replayed], examples: Sequence[Example]) -> tuple[Example, ...]:
    """The rows that every tier has an answer to."""
    return tuple(e for e in examples if all(tier.has(e.query) for tier in tiers.values()))
