"""Entity answers: what can be read, and F1 against seqeval where both are defined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import f1_score

from routenlp.grading.entities import Entity, Overlap, from_text, overlap, to_text

TYPES = ("LOC", "ORG", "PER")
entity_lists = st.lists(st.builds(Entity, st.sampled_from(TYPES), st.text(max_size=8)), max_size=6)
tag_lists = st.lists(st.sampled_from(["O", *(f"B-{name}" for name in TYPES)]), min_size=1, max_size=8)


@given(entity_lists)
def test_what_is_written_can_be_read(entities: list[Entity]) -> None:
    assert from_text(to_text(entities)) == tuple(entities)


@pytest.mark.parametrize("text", ["", "no entities", "{", "5", "null", '["Acme"]', '[{"type": "ORG"}]', "[" * 100_000])
def test_what_is_no_list_of_entities_is_not_read(text: str) -> None:
    assert from_text(text) is None


def test_the_order_does_not_count() -> None:
    left, right = Entity("ORG", "Acme"), Entity("LOC", "Rome")
    assert overlap(to_text([left, right]), to_text([right, left])).f1 == 1.0


def test_repetitions_count() -> None:
    acme = Entity("ORG", "Acme")
    assert overlap(to_text([acme]), to_text([acme, acme])) == Overlap(shared=1, answered=1, expected=2)


def test_the_type_counts() -> None:
    assert overlap(to_text([Entity("ORG", "Rome")]), to_text([Entity("LOC", "Rome")])).f1 == 0.0


def test_an_unreadable_answer_is_one_wrong_entity() -> None:
    assert overlap("Rome", "[]") == Overlap(shared=0, answered=1, expected=0)


@given(entity_lists, entity_lists)
def test_f1_is_symmetric_and_between_0_and_1(left: list[Entity], right: list[Entity]) -> None:
    forth, back = overlap(to_text(left), to_text(right)).f1, overlap(to_text(right), to_text(left)).f1
    assert forth == back
    assert 0.0 <= forth <= 1.0


@given(st.lists(st.tuples(tag_lists, tag_lists), min_size=1, max_size=5))
def test_micro_f1_is_that_of_seqeval_where_each_word_is_another(pairs: list[tuple[list[str], list[str]]]) -> None:
    cut = [(given[: len(gold)], gold[: len(given)]) for given, gold in pairs]
    counts = [overlap(_entities(given), _entities(gold)) for given, gold in cut]
    answered, expected = sum(c.answered for c in counts), sum(c.expected for c in counts)
    if answered == 0 or expected == 0:
        return  # seqeval warns and says 0, also where nothing was expected and nothing answered
    theirs = f1_score([gold for _, gold in cut], [given for given, _ in cut])
    assert Overlap(sum(c.shared for c in counts), answered, expected).f1 == pytest.approx(theirs)


def _entities(tags: list[str]) -> str:
    """Words are their positions, so that equal text means the same place, which is what seqeval compares."""
    return to_text(Entity(tag[2:], f"word {i}") for i, tag in enumerate(tags) if tag != "O")
