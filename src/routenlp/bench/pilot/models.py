"""Recorded language models in the pilot's portfolio: a cheap tier of the tasks that they were recorded on, and the top.

Other tasks are walled off from the cheap one, and people's labels stay their top tier. A model's answer counts only
where the very model gave it that would serve: rows of the training fold that models of half of the lessons answered are
left out. Latencies are modelled: the cheap tier's is an endpoint's, the top tier's that of every pilot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from routenlp import wiring
from routenlp.backends.generations import Generation
from routenlp.backends.recorded import modelled_latency_s
from routenlp.backends.recorded_generations import GenerationsBackend, Latency
from routenlp.bench.datasets.recordings import ENDPOINT, Recordings
from routenlp.bench.six_tasks.replayed import Models
from routenlp.bench.six_tasks.workload import Workload
from routenlp.portfolio.tiers import Tier
from routenlp.settings import Settings
from routenlp.types import Query


@dataclass(frozen=True, slots=True, eq=False)
class WithModels:
    """A portfolio, and what its language models say."""

    settings: Settings
    models: Models


def with_models(
    settings: Settings, generation: Settings, recordings: Recordings | None, workload: Workload
) -> WithModels:
    """`generation`: settings of the portfolio that was recorded. The same where no task of `workload` was."""
    tasks = [] if recordings is None else [task for task in workload.folds if task in recordings.tasks]
    if recordings is None or not tasks:
        return WithModels(settings, {})
    cheap = [tier for tier in generation.portfolio[:-1] if tier.backend == "recorded"]
    portfolio = (*settings.portfolio[:-1], *cheap, settings.portfolio[-1])  # dearer than students, and than no top tier
    walled = {
        name: task if name in tasks else msgspec.structs.replace(task, allowed_tiers=settings.tiers_of(name))
        for name, task in settings.tasks.items()
    }
    mixed = msgspec.structs.replace(settings, portfolio=portfolio, tasks=walled)
    by_name = {tier.name: tier for tier in wiring.portfolio(mixed).tiers}
    *_, top = by_name.values()
    found: dict[tuple[str, str], GenerationsBackend] = {}
    for task in tasks:
        for one in cheap:
            found[one.name, task] = _model(by_name[one.name], recordings, one.name, task, workload, _at_an_endpoint)
        said = generation.portfolio[-1].name
        found[top.name, task] = _model(top, recordings, said, task, workload, _of_the_top)
    return WithModels(mixed, found)


def _model(
    tier: Tier, recordings: Recordings, said_by: str, task: str, workload: Workload, latency: Latency
) -> GenerationsBackend:
    trained = {e.query.id for e in workload.folds[task].train.examples} - recordings.start[task]
    said = recordings.generations[said_by][task]
    return GenerationsBackend(tier, {task: {name: one for name, one in said.items() if name not in trained}}, latency)


def _at_an_endpoint(_: Query, generation: Generation) -> float:
    return ENDPOINT.latency_s(generation)


def _of_the_top(query: Query, _: Generation) -> float:
    return modelled_latency_s(query.id)


def recorded_tasks(models: Models) -> list[str]:
    """Tasks that language models answer."""
    return sorted({task for _, task in models})


def all_answered(models: Models, query: Query) -> bool:
    """Whether every model of the query's task was recorded on it."""
    return all(model.has(query) for (_, task), model in models.items() if task == query.task)


def texts(models: Models, queries: list[Query]) -> Mapping[str, str]:
    """By tier and query id, all that they say of these: what makes one set of recordings another."""
    return {
        f"{tier}\0{query.id}": model.answer(query).text
        for (tier, task), model in sorted(models.items(), key=lambda one: one[0])
        for query in queries
        if query.task == task and model.has(query)
    }
