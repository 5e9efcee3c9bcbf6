"""What each row is for. Nobody's answer to a row that its model learned from is recorded.

Everything is learned from rows of the part of the training fold that the pilot fits its first tiers on, so that what
a pilot serves, and all that calibrates, gates or tests, is unseen.
"""

from __future__ import annotations

from enum import StrEnum

from routenlp.bench.pilot import pools
from routenlp.draws import draw
from routenlp.replay.folds import Folds
from routenlp.types import Example

GENERATOR, RERANKER = 0.6, 0.2
"""Shares of that part, by group."""
SALT = "record"


class Role(StrEnum):
    """Of a row."""

    GENERATOR = "generator"
    """The tuned model learns from it; it is not recorded."""
    RERANKER = "reranker"
    """Recorded, and the reranker learns from it."""
    NONE = "none"
    """Recorded; nothing learns its reference, except that it may be shown as an example where it lies in the start."""


def in_start(example: Example) -> bool:
    """Whether a row of the training fold is in the part that the pilot's first tiers are fitted on."""
    return draw(pools.SALT, example.query.task, example.group) < pools.START


def role(fold: str, example: Example) -> Role:
    """`fold`: as `by_fold` names them."""
    if fold != "train" or not in_start(example):
        return Role.NONE
    at = draw(SALT, example.query.task, example.group)
    return Role.GENERATOR if at < GENERATOR else Role.RERANKER if at < GENERATOR + RERANKER else Role.NONE


def by_fold(folds: Folds) -> dict[str, tuple[Example, ...]]:
    """The four folds by name."""
    return {
        "train": folds.train.examples,
        "calibrate": folds.calibrate.examples,
        "gate": folds.gate.examples,
        "test": folds.test.examples,
    }
