"""Which failures become lessons, and what the teacher makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.loop.lessons import Candidates, Lesson, ask_teacher, choose, with_old, without_copies
from routenlp.types import Query


def lesson(text: str, answer: str = "a") -> Lesson:
    return Lesson(Query(text, "t", text), answer, "top", text)


def candidates(cluster: list[int], priority: list[float], vectors: np.ndarray | None = None) -> Candidates:
    rows = np.eye(len(cluster), dtype=np.float32) if vectors is None else vectors
    return Candidates(np.array(cluster, dtype=np.int64), np.array(priority), rows)


def test_each_cluster_gives_its_most_uncertain_rows():
    found = choose(candidates([0, 0, 0, 1, 1], [0.1, 0.9, 0.5, 0.2, 0.8]), {0: 2, 1: 1})
    assert found.tolist() == [1, 2, 4]


def test_a_near_copy_waits_until_nothing_else_is_left():
    vectors = np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]], dtype=np.float32)
    rows = candidates([0, 0, 0], [0.9, 0.8, 0.1], vectors)
    assert choose(rows, {0: 2}).tolist() == [0, 2]
    assert choose(rows, {0: 3}).tolist() == [0, 2, 1]


def test_a_cluster_without_a_quota_gives_nothing_even_when_others_run_out():
    assert choose(candidates([0, 1, 1], [0.5, 0.9, 0.9]), {0: 3}).tolist() == [0]


def test_no_candidates_no_lessons():
    assert choose(candidates([], [], np.zeros((0, 2), dtype=np.float32)), {}).tolist() == []


def test_old_lessons_are_a_sixth_and_come_from_all_over():
    mixed = with_old([lesson(f"new{i}") for i in range(85)], [lesson(f"old{i}") for i in range(1_000)], share=0.15)
    old = [int(x.query.text[3:]) for x in mixed if x.query.text.startswith("old")]
    assert len(mixed) == 100
    assert len(old) == 15
    assert (min(old), max(old)) == (0, 999)


def test_where_nothing_was_learned_before_nothing_is_mixed_in():
    assert with_old([lesson("a")], []) == (lesson("a"),)


def test_the_first_of_copies_is_kept_and_the_order_too():
    assert [x.answer for x in without_copies([lesson("A  b", "1"), lesson("c", "2"), lesson("a B", "3")])] == ["1", "2"]


def test_a_teacher_that_fails_half_the_time_is_asked_until_there_are_enough():
    pairs = [(Query(str(i), "t", f"text {i}"), str(i)) for i in range(20)]
    taught = ask_teacher(pairs, "top", lambda q: None if int(q.id) % 2 else "yes", wanted=5)
    assert [x.query.id for x in taught.lessons] == ["0", "2", "4", "6", "8"]
    assert taught.refused == 4


@pytest.mark.parametrize("said", [None, "", "  \n"])
def test_a_teacher_that_always_refuses_teaches_nothing(said):
    taught = ask_teacher([(Query("0", "t", "x"), "g")], "top", lambda q: said, wanted=5)
    assert (taught.lessons, taught.refused) == ((), 1)
