"""The tiers of a bench that nobody trains here: they replay what was recorded, of people or of language models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from routenlp import wiring
from routenlp.backends.recorded import RecordedBackend
from routenlp.bench.datasets.recordings import Recordings
from routenlp.bench.six_tasks.workload import Workload
from routenlp.contracts import Backend
from routenlp.settings import Settings
from routenlp.types import Example, Query


class Replayed(Backend, Protocol):
    """A tier that answers what was recorded, and says what was."""

    def has(self, query: Query) -> bool:
        """Whether it has an answer to this query that was not learned from it."""


def references(examples: Sequence[Example]) -> dict[str, str]:
    """The human labels by query id."""
    return {e.query.id: e.reference for e in examples}


def labels_on_top(settings: Settings, workload: Workload) -> dict[str, Replayed]:
    """The top tier as the human labels of all rows: the yardstick, and no model."""
    return model_on_top(settings, workload, {})


def model_answers(recordings: Recordings, tier: str, tasks: Iterable[str]) -> dict[str, str]:
    """What a recorded tier said, by query id, of those of `tasks` that were recorded."""
    by_task = recordings.generations[tier]
    return {id_: said.answer for task in tasks if task in by_task for id_, said in by_task[task].items()}


def model_on_top(settings: Settings, workload: Workload, said: Mapping[str, str]) -> dict[str, Replayed]:
    """The human labels, but for tasks of which `said` has an answer: there nothing but `said`."""
    answers: dict[str, str] = dict(said)
    for folds in workload.folds.values():
        examples = [e for f in (folds.train, folds.calibrate, folds.gate, folds.test) for e in f.examples]
        if not any(e.query.id in said for e in examples):
            answers |= references(examples)
    top = wiring.portfolio(settings).tiers[-1]
    return {top.name: RecordedBackend(top, answers)}


def only_replayed(tiers: Mapping[str, Replayed], examples: Sequence[Example]) -> tuple[Example, ...]:
    """The rows that every tier has an answer to."""
    return tuple(e for e in examples if all(tier.has(e.query) for tier in tiers.values()))
