"""Says how far a long job is: a bar on a terminal, a few plain lines elsewhere.

Everything goes to the stream given, which is standard error in the commands, so that what a command prints
as its result stays clean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LINE_EVERY_S = 10.0

Advance = Callable[[int, int], None]
"""advance(done, total): how much of the stage is done, in whatever unit the stage counts."""


class Progress(Protocol):
    """What a job tells of itself."""

    def stage(self, title: str) -> AbstractContextManager[Advance]:
        """`with progress.stage("training cs_intent") as advance: advance(done, total)`. Stages may nest."""


class LineProgress:
    """One line when a stage ends, and within a stage one in 10 s at most."""

    def __init__(self, stream: TextIO, now_s: Callable[[], float] = time.monotonic) -> None:
        """`now_s` is the clock, in seconds from any origin."""
        self._stream = stream
        self._now_s = now_s

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """Writes `title: done of total` now and then, and how long the stage took at its end."""
        started_s = told_s = self._now_s()

        def advance(done: int, total: int) -> None:
            nonlocal told_s
            if self._now_s() - told_s >= LINE_EVERY_S:
                told_s = self._now_s()
                self._write(f"{title}: {done:,} of {total:,}")

        verb = "stopped"
        try:
            yield advance
            verb = "done"
        finally:
            self._write(f"{title}: {verb} after {self._now_s() - started_s:.1f} s")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class BarProgress:
    """A bar for each stage, by rich."""

    def __init__(self, stream: TextIO) -> None:
        """`stream` is a terminal."""
        self._stream = stream
        self._open: RichProgress | None = None

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """Shows a bar until the stage ends; its last state stays on the screen."""
        outermost = self._open is None
        bars = self._open = self._open or self._build()
        if outermost:
            bars.start()
        bar = bars.add_task(title, total=None)
        try:
            yield lambda done, total: bars.update(bar, completed=done, total=total)
            total = bars.tasks[bars.task_ids.index(bar)].total or 1
            bars.update(bar, completed=total, total=total)
        finally:
            if outermost:
                bars.stop()
                self._open = None

    def _build(self) -> RichProgress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        return Bars(*columns, TimeElapsedColumn(), console=Console(file=self._stream))


def progress_on(stream: TextIO) -> Progress:
    """Bars where `stream` is a terminal, else lines."""
    return BarProgress(stream) if stream.isatty() else LineProgress(stream)
