"""What a task promises, as those who watch over it look at it."""

from __future__ import annotations

from dataclasses import dataclass

from routenlp.settings import Settings

DAY_S = 86_400.0
LEAST_A_DAY = 1.0
"""Samples a day that a detector counts on where fewer came: at B under a year of them it would cry wolf."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What one task promises."""

    guarantee: str
    target: float
    """eps of `quality_ratio`, alpha of the others."""
    handled_at: float
    top: str
    """The last tier that the task allows."""


class Promises:
    """What the settings promise, by task; None for one that they do not name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, task: str) -> Promised | None:
        given = self._settings.tasks.get(task)
        if given is None:
            return None
        target = given.eps if given.guarantee == "quality_ratio" else given.alpha
        return Promised(given.guarantee, target, given.handled_at, self._settings.top_of(task))
