"""The built-in generated workload: three tasks and 3,000 queries for machines with no data.

Nothing here was written by a customer. The rows come from templates, a seed and controlled noise: typing errors,
remarks about other matters, rare wordings, names that are also places, and queries that nobody could decide. Figures
on it show that the machinery works, never how well a model does; every id begins with "generated/" and every task
name with "generated_", so that they can be taken for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from random import Random
from types import MappingProxyType

from routenlp.bench.datasets.generated.conversation import Draft, Speaker
from routenlp.bench.datasets.generated.entities import entity_query
from routenlp.bench.datasets.generated.intents import intent_query
from routenlp.bench.datasets.generated.replies import reply_query
from routenlp.bench.datasets.supplied import SuppliedSplit
from routenlp.errors import UnknownTask
from routenlp.types import Example, Query, Task

TRAIN_ROWS = 750
TEST_ROWS = 250
"""Of each task."""
SCHEMA = "generated"

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.name: task
        for task in (
            Task("generated_intent", metric="accuracy", handled_at=1.0, sla_s=0.2),
            Task("generated_entities", metric="entity_f1", handled_at=0.8, sla_s=0.3),
            Task("generated_reply", metric="rouge_l", handled_at=0.5, sla_s=1.0),
        )
    }
)

_WRITERS: Mapping[str, Callable[[Speaker], Draft]] = MappingProxyType(
    {"generated_intent": intent_query, "generated_entities": entity_query, "generated_reply": reply_query}
)


def generate(task: str, *, seed: int = 0) -> SuppliedSplit:
    """The rows of one generated task. The same seed gives the same rows on every machine. Raises `UnknownTask`."""
    if task not in TASKS:
        raise UnknownTask("task", f"{task!r} is not one of the generated tasks", f"Use one of {', '.join(TASKS)}")
    seen: set[str] = set()
    train = _part(task, "train", TRAIN_ROWS, seed, seen)
    return SuppliedSplit(TASKS[task], train=train, test=_part(task, "test", TEST_ROWS, seed, seen))


def workload(*, seed: int = 0) -> tuple[SuppliedSplit, ...]:
    """All three tasks: 3,000 queries."""
    return tuple(generate(task, seed=seed) for task in TASKS)


def _part(task: str, split: str, rows: int, seed: int, seen: set[str]) -> tuple[Example, ...]:
    """Conversations of one to three queries each, until there are `rows` queries; a conversation is a group.

    No text of `seen` is used, and those used join it: no query is asked twice.
    """
    chance = Random(f"routenlp/generated/1/{seed}/{task}/{split}")  # noqa: S311 - made-up data, no secret
    examples: list[Example] = []
    for conversation in count():
        speaker = Speaker.drawn(chance)
        group = f"generated/{task}/{split}/{conversation}"
        for turn in range(chance.randint(1, 3)):
            draft = _WRITERS[task](speaker)
            if draft.text in seen:
                continue
            seen.add(draft.text)
            query = Query(f"{group}/{turn}", task, draft.text, {"schema": SCHEMA})
            examples.append(Example(query, draft.reference, group))
            if len(examples) == rows:
                return tuple(examples)
    raise AssertionError("count() does not end")
