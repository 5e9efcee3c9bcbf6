"""What the settings promise of each task, as the watch over quality needs it."""

from __future__ import annotations

from routenlp.settings import Settings
from routenlp.worker.promised import Promised


class Promises:
    """By task; None for one that the settings do not name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, task: str) -> Promised | None:
        given = self._settings.tasks.get(task)
        if given is None:
            return None
        names = tuple(tier.name for tier in self._settings.portfolio)
        top = next(name for name in reversed(names) if given.allowed_tiers is None or name in given.allowed_tiers)
        target = given.eps if given.guarantee == "quality_ratio" else given.alpha
        return Promised(given.guarantee, target, given.handled_at, top)
