"""Held-out rows among the lessons are found by each net, and abort the turn."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.errors import ContaminatedLessons
from routenlp.loop.contamination import How, find_overlaps, refuse_overlap, take_prints
from routenlp.loop.minhash import alike, shingle
from routenlp.types import Query

LONG = "the tenant shall pay the rent on the first day of every month to the landlord or to whom he names in writing"


def queries(*texts: str, schema: str = "") -> list[Query]:
    return [Query(f"{i}", "t", text, {"schema": schema}) for i, text in enumerate(texts)]


def test_the_same_text_is_found_whatever_its_case_and_blanks():
    [found] = find_overlaps(take_prints(queries("where is my  Card?")), take_prints(queries("no", "Where is my card?")))
    assert (found.lesson, found.row, found.how, found.likeness) == (0, 1, How.EXACT, 1.0)


def test_the_same_text_under_another_label_set_is_another_row_but_shares_its_words():
    [found] = find_overlaps(take_prints(queries(LONG, schema="a")), take_prints(queries(LONG, schema="b")))
    assert found.how is How.RUNS


def test_a_text_that_was_touched_up_is_found_by_its_runs_of_words():
    [found] = find_overlaps(take_prints(queries(LONG + " today")), take_prints(queries(LONG)))
    assert found.how is How.RUNS
    assert 0.8 <= found.likeness < 1.0


def test_another_wording_is_found_by_its_vector():
    near = np.array([[1.0, 0.0]], dtype=np.float32), np.array([[0.0, 5.0], [9.0, 1.0]], dtype=np.float32)
    lessons, rows = take_prints(queries("lost card"), near[0]), take_prints(queries("x y", "card is gone"), near[1])
    [found] = find_overlaps(lessons, rows)
    assert (found.row, found.how) == (1, How.COSINE)


def test_texts_that_merely_resemble_each_other_pass():
    refuse_overlap(take_prints(queries("where is my card")), take_prints(queries("where is my money now")), task="t")


def test_texts_without_words_are_like_nothing():
    assert find_overlaps(take_prints(queries("?!")), take_prints(queries("!!!"))) == ()


def test_an_overlap_aborts_and_names_both_rows():
    with pytest.raises(ContaminatedLessons, match=r"task 't'.*1 of 2 lessons.*lesson '1' and row '0' by the same text"):
        refuse_overlap(take_prints(queries("fine", "Seen before")), take_prints(queries("seen before")), task="t")


@pytest.mark.parametrize("sides", [((), ("a",)), (("a",), ()), ((), ())])
def test_empty_sides_overlap_with_nothing(sides):
    left, right = (take_prints(queries(*side), np.ones((len(side), 2), dtype=np.float32)) for side in sides)
    assert find_overlaps(left, right) == ()


def test_banding_loses_no_pair_that_brute_force_finds():
    rng = np.random.default_rng(3)
    words = [f"w{i}" for i in range(300)]
    base = [rng.choice(words, 40).tolist() for _ in range(120)]
    touched = [[*row[:-2], "x", "y"] for row in base]
    first, second = shingle([" ".join(r) for r in base]), shingle([" ".join(r) for r in touched])
    found = {(p.first, p.second) for p in alike(first, second, least=0.8)}
    brute = {
        (i, j) for i, a in enumerate(first.sets) for j, b in enumerate(second.sets) if len(a & b) / len(a | b) >= 0.8
    }
    assert found == brute
    assert len(brute) == 120
