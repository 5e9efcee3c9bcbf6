"""Backend `student`: one tier whose answers come from students, one a task, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from routenlp.backends.counted import counted
from routenlp.contracts import Student
from routenlp.errors import BackendError
from routenlp.portfolio.tiers import Tier
from routenlp.types import Answer, Prediction, Query


class StudentBackend:
    """`students`: by task. `clock` returns seconds and is read before and after each prediction."""

    def __init__(self, tier: Tier, students: Mapping[str, Student], clock: Callable[[], float]) -> None:
        self._tier = tier
        self._students = students
        self._clock = clock

    def answer(self, query: Query) -> Answer:
        """The student's answer with its measured latency; raises `BackendError` for a task without a student."""
        student = self._student(query.task)
        begin = self._clock()
        (prediction,) = student.predict([query])
        return self.priced(query, prediction, self._clock() - begin)

    def answer_all(self, task: str, queries: Sequence[Query]) -> list[Answer]:
        """Answers to many queries of one task at once; each carries an equal share of the time they took together."""
        begin = self._clock()
        predictions = self._student(task).predict(queries)
        each = (self._clock() - begin) / max(len(queries), 1)
        return [self.priced(q, p, each) for q, p in zip(queries, predictions, strict=True)]

    def _student(self, task: str) -> Student:
        student = self._students.get(task)
        if student is None:
            raise BackendError(
                f"tier {self._tier.name!r}", f"has no student for task {task!r}", "Train one, or leave the tier out."
            )
        return student

    def priced(self, query: Query, prediction: Prediction, latency_s: float) -> Answer:
        """The answer that a prediction makes at this tier's price."""
        return counted(self._tier, query, prediction, latency_s)
