"""Names of new tiers: the same for the same lessons in any order, another's never."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.training.distil.small import lessons

from routenlp.errors import TrainingError
from routenlp.training.distil.distiller import lessons_hash, some, version_name


@given(st.permutations(lessons(6)))
def test_the_order_of_lessons_does_not_name_another_tier(shuffled):
    assert lessons_hash(shuffled) == lessons_hash(lessons(6))


def test_another_answer_query_or_label_set_is_another_lesson():
    first, *rest = lessons(3)
    changed = [
        replace(first, answer="other"),
        replace(first, query=replace(first.query, text="other")),
        replace(first, query=replace(first.query, metadata={"schema": "b"})),
        replace(first, query=replace(first.query, task="other")),
    ]
    assert len({lessons_hash([lesson, *rest]) for lesson in [first, *changed]}) == 5


def test_who_gave_an_answer_does_not_change_what_is_learned():
    first, *rest = lessons(3)
    assert lessons_hash([replace(first, teacher="x", group="y"), *rest]) == lessons_hash(lessons(3))


def test_a_version_is_named_by_all_that_it_is_made_of():
    assert version_name("small", "a", 1) == version_name("small", "a", 1)
    assert version_name("small", "a", 1) != version_name("small", "a", 2)
    assert version_name("small", "a").startswith("small-")


def test_no_lessons_are_refused():
    with pytest.raises(TrainingError, match="lessons"):
        some([])
