"""Lessons whose answer is told by one word of the query."""

from __future__ import annotations

from routenlp.loop.lessons import Lesson
from routenlp.types import Query

WORDS = {"card": "card_lost", "refund": "refund_late", "limit": "limit_raise"}


def lessons(n: int, task: str = "intent") -> list[Lesson]:
    words = list(WORDS)
    return [
        Lesson(Query(f"l{i}", task, f"number {i} about my {words[i % 3]}"), WORDS[words[i % 3]], "top", f"l{i}")
        for i in range(n)
    ]
