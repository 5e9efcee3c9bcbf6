"""Rows of one made-up task, in groups of two."""

from __future__ import annotations

from routenlp.replay.folds import Folds
from routenlp.types import CalibrationFold, Example, GateFold, Query, TestFold, TrainingFold

WORDS = ("red", "blue", "green", "brown", "black", "white", "grey", "pink")


def example(name: str, number: int, task: str = "generated_intent") -> Example:
    text = f"{name} number {number} asks for {WORDS[number % 8]} paint of lot {number * 7919 % 10_007}"
    return Example(
        Query(f"{name}-{number}", task, text, {"schema": "generated"}), WORDS[number % 8], f"{name}-{number // 2}"
    )


def examples(name: str, n: int, task: str = "generated_intent") -> tuple[Example, ...]:
    return tuple(example(name, number, task) for number in range(n))


def folds(task: str = "generated_intent") -> Folds:
    return Folds(
        TrainingFold(task, examples("train", 400, task)),
        CalibrationFold(task, examples("calibrate", 40, task)),
        GateFold(task, examples("gate", 20, task)),
        TestFold(task, examples("test", 60, task)),
    )
