"""What an arm begins with: a tenth of the rows, traffic without overlap, and a ledger of all that training received."""

from __future__ import annotations

import dataclasses

import numpy as np
from tests.contracts.letters import LetterCounts
from tests.unit.bench.loop.small import folds, world

from routenlp.bench.loop.world import START, Ledger, Remembered, held_out_rows, screen
from routenlp.types import Query


def test_a_tenth_to_begin_with_and_the_rest_as_traffic():
    made = world()
    rows = made.folds.train.examples
    assert len(made.start) == max(round(START * len(rows)), 60)
    assert sorted(e.query.id for e in (*made.start, *made.traffic)) == sorted(e.query.id for e in rows)


def test_another_seed_begins_with_other_rows_and_the_same_seed_with_the_same():
    assert world(seed=1).start == world(seed=1).start
    assert {e.query.id for e in world(seed=1).start} != {e.query.id for e in world(seed=2).start}


def test_a_training_row_that_is_a_test_row_again_is_barred():
    made = folds()
    copied = made.test.examples[3].query.text.upper()
    first = made.train.examples[0]
    spoiled = dataclasses.replace(first, query=dataclasses.replace(first.query, text=copied))
    train = dataclasses.replace(made.train, examples=(spoiled, *made.train.examples[1:]))
    screened = screen(dataclasses.replace(made, train=train), Remembered(LetterCounts()), by_vectors=False)
    assert screened.overlaps[0]
    assert screened.overlaps.sum() < len(screened.overlaps) / 2


def test_vectors_are_compared_too():
    made = folds()
    screened = screen(made, Remembered(LetterCounts()))
    assert screened.overlaps.sum() > screen(made, Remembered(LetterCounts()), by_vectors=False).overlaps.sum()


def test_the_ledger_knows_a_row_by_its_text_whatever_its_id():
    made = world()
    held_out = held_out_rows(made.folds)
    ledger = Ledger()
    ledger.enter(made.start)
    assert ledger.seen_of(held_out) == 0
    query = held_out[0].query
    ledger.enter([dataclasses.replace(held_out[0], query=Query("other id", query.task, query.text, query.metadata))])
    assert ledger.seen_of(held_out) == 1


def test_every_text_is_encoded_once():
    asked: list[str] = []

    class Counting(LetterCounts):
        def encode(self, texts):
            asked.extend(texts)
            return super().encode(texts)

    encoder = Remembered(Counting())
    first, second = encoder.encode(["a", "b", "a"]), encoder.encode(["b"])
    assert asked == ["a", "b"]
    assert np.array_equal(first[1], second[0])
    assert encoder.encode([]).shape == (0, 27)
