"""The generated workload: fixed, marked as generated, and neither trivial nor hopeless."""

from __future__ import annotations

import hashlib

import pytest

from routenlp.bench.datasets.generated import TASKS, generate, workload
from routenlp.bench.datasets.supplied import SuppliedSplit
from routenlp.errors import UnknownTask
from routenlp.grading.entities import from_text
from routenlp.types import Example


@pytest.fixture(scope="module")
def by_name() -> dict[str, SuppliedSplit]:
    return {supplied.task.name: supplied for supplied in workload()}


def examples(supplied: SuppliedSplit) -> tuple[Example, ...]:
    return supplied.train + supplied.test


def test_three_tasks_and_3000_distinct_queries(by_name: dict[str, SuppliedSplit]) -> None:
    everything = [e for supplied in by_name.values() for e in examples(supplied)]
    assert by_name.keys() == TASKS.keys()
    assert len(everything) == len({e.query.id for e in everything}) == len({e.query.text for e in everything}) == 3_000


def test_everything_is_called_generated(by_name: dict[str, SuppliedSplit]) -> None:
    for name, supplied in by_name.items():
        assert name.startswith("generated_")
        for example in examples(supplied):
            assert example.query.task == name
            assert example.query.id.startswith("generated/")
            assert example.query.metadata == {"schema": "generated"}


def test_conversations_are_groups_of_several_queries_in_one_part(by_name: dict[str, SuppliedSplit]) -> None:
    for supplied in by_name.values():
        groups = [{e.group for e in part} for part in (supplied.train, supplied.test)]
        assert not groups[0] & groups[1]
        assert len(groups[0]) < len(supplied.train) * 0.6


def test_same_seed_same_rows_other_seed_other_rows() -> None:
    assert generate("generated_intent", seed=1) == generate("generated_intent", seed=1)
    assert generate("generated_intent", seed=1) != generate("generated_intent", seed=2)


def test_rows_are_fixed_across_versions(by_name: dict[str, SuppliedSplit]) -> None:
    lines = [f"{e.query.id}\t{e.query.text}\t{e.reference}" for s in by_name.values() for e in examples(s)]
    assert (
        hashlib.sha256("\n".join(lines).encode()).hexdigest()
        == "93fd2cceb7d4b412530e0f1394d3552849e82681c3123989d9821941452d6b72"
    )


def test_each_of_twelve_intents_has_rows_to_learn_from(by_name: dict[str, SuppliedSplit]) -> None:
    labels = [e.reference for e in by_name["generated_intent"].train]
    assert len(set(labels)) == 12
    assert min(labels.count(label) for label in set(labels)) >= 30


def test_entities_are_words_of_the_text_in_order(by_name: dict[str, SuppliedSplit]) -> None:
    for example in examples(by_name["generated_entities"]):
        entities = from_text(example.reference)
        assert entities is not None
        end = 0
        for entity in entities:
            end = example.query.text.index(entity.text, end) + len(entity.text)


def test_one_name_has_several_entity_types(by_name: dict[str, SuppliedSplit]) -> None:
    rows = [from_text(e.reference) or () for e in by_name["generated_entities"].train]
    assert {entity.type for row in rows for entity in row if entity.text == "Paris"} == {"person", "place"}


def test_replies_follow_a_customer(by_name: dict[str, SuppliedSplit]) -> None:
    for example in examples(by_name["generated_reply"]):
        assert example.query.text.split("\n")[-1].startswith("Customer: ")
        assert example.reference


def test_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(UnknownTask, match=r"'cs_intent'.*generated_intent, generated_entities, generated_reply"):
        generate("cs_intent")
