"""Answers in bulk are those that the students give alone."""

from __future__ import annotations

import dataclasses

import pytest
from tests.contracts.letters import LetterCounts
from tests.unit.bench.loop.small import STUDENTS, folds

from routenlp.bench.loop.bulk import answer_all
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.bench.loop.world import Remembered, remember_words
from routenlp.training import students
from routenlp.types import Query, TrainingFold


@pytest.mark.parametrize("task", list(STUDENTS))
def test_a_block_is_answered_as_its_rows_are_alone(task):
    rows = folds(task).train.examples[:200]
    letters = LetterCounts()
    job = students.Job(TrainingFold(task, rows), remember_words(letters), Remembered(letters), 1.0, 0)
    queries = [e.query for e in folds(task).test.examples[:60]]
    odd = [
        dataclasses.replace(queries[0], id=str(i), text=text) for i, text in enumerate(["", "  \n", "xyzzy", "\ud800"])
    ]
    for fitted in students.fit(STUDENTS[task], ["ngram", "minilm"], job).values():
        alone = [fitted.student.predict([q])[0] for q in [*queries, *odd]]
        together = answer_all(fitted.student, [*queries, *odd], HashedTexts())
        assert [p.text for p in together] == [p.text for p in alone]
        for one, other in zip(together, alone, strict=True):
            assert one.token_probs == pytest.approx(other.token_probs, abs=1e-4)


def test_no_queries_no_answers():
    assert answer_all(_Silent(), [], HashedTexts()) == []


def test_other_students_answer_for_themselves():
    assert len(answer_all(_Silent(), [Query("0", "t", "x")] * 3, HashedTexts())) == 3


class _Silent:
    def predict(self, queries):
        return [None] * len(queries)

    def parts(self):
        raise AssertionError("not asked for")
