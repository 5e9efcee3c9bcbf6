"""Tasks and seeds side by side, each process one at a time: the figures are those of a single process.

A process is handed an order, tells what it is at, and hands back what it found; what it tells is shown here as stages.
Processes share nothing but the encodings and points on disk, which bear it.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait

import msgspec

from routenlp.bench.loop.measuring import Found, Ground, Measuring, Order
from routenlp.bench.progress import Advance, Progress
from routenlp.errors import RouteNlpError
from routenlp.replay.backtest.threads import one_thread

Late = Callable[[], bool]
"""Whether no other seed may be begun."""


def measure(orders: Sequence[Order], ground: Ground, progress: Progress, late: Late) -> list[Found]:
    """What each order came to, one by one: by `ground.at_once` processes, or by this one where that is 1.

    An error in one ends the others, and is raised here.
    """
    if ground.at_once == 1:
        with one_thread(everything=True):
            measuring = Measuring(ground, progress)
            return [measuring.seed(order, late=late()) for order in orders]
    with progress.stage("tasks and seeds") as advance, _workers(ground, progress) as workers:
        found = _hand_out(orders, workers, late, advance)
    return [found[position] for position in range(len(orders))]


def _hand_out(orders: Sequence[Order], workers: Sequence[_Worker], late: Late, advance: Advance) -> dict[int, Found]:
    """By position. Whoever is done gets the next order."""
    waiting, found = deque(enumerate(orders)), dict[int, Found]()
    busy: dict[Connection, _Worker] = {}

    def hand(worker: _Worker) -> None:
        if waiting:
            worker.begin(*waiting.popleft(), late=late())
            busy[worker.pipe] = worker
        else:
            busy.pop(worker.pipe, None)

    for worker in workers:
        hand(worker)
    while busy:
        for worker in [busy[pipe] for pipe in wait(list(busy)) if isinstance(pipe, Connection)]:
            said = worker.hear()
            if said is not None:
                found[worker.position] = said
                advance(len(found), len(orders))
                hand(worker)
    return found


@contextmanager
def _workers(ground: Ground, progress: Progress) -> Iterator[list[_Worker]]:
    """Started with fresh interpreters, and ended whatever happens."""
    workers = [_Worker(ground, progress) for _ in range(ground.at_once)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.end()


@dataclass(frozen=True, slots=True)
class _Began:
    title: str


@dataclass(frozen=True, slots=True)
class _Advanced:
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class _Ended:
    """The stage that began last."""


class _Worker:
    """A process, seen from here."""

    def __init__(self, ground: Ground, progress: Progress) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.position = -1
        self._process = context.Process(target=_work, args=(theirs, ground), daemon=True)
        self._process.start()
        theirs.close()
        self._progress = progress
        self._stages: list[tuple[AbstractContextManager[Advance], Advance]] = []
        self._order: Order | None = None

    def begin(self, position: int, order: Order, *, late: bool) -> None:
        """Hand it an order."""
        self.position, self._order = position, order
        self.pipe.send((order, late))

    def hear(self) -> Found | None:
        """Show what it tells, or take what it found. Raises the error that it met, if it met one."""
        try:
            said = self.pipe.recv()
        except EOFError as exc:
            raise self._gone() from exc
        match said:
            case RouteNlpError():
                raise said
            case Found():
                return said
            case _Began(title):
                stage = self._progress.stage(title)
                self._stages.append((stage, stage.__enter__()))
            case _Advanced(done, total):
                self._stages[-1][1](done, total)
            case _Ended():
                self._stages.pop()[0].__exit__(None, None, None)
        return None

    def _gone(self) -> RouteNlpError:
        self._process.join()
        at = "nothing" if self._order is None else f"{self._order.task}, seed {self._order.seed},"
        problem = f"the process at {at} ended with code {self._process.exitcode}"
        return RouteNlpError("bench loop", problem, "See what it wrote; if memory ran out, give fewer --jobs")

    def end(self) -> None:
        """At once: what it found by now was handed over, or is kept on disk. Open stages are shown as stopped."""
        while self._stages:
            self._stages.pop()[0].__exit__(*sys.exc_info())
        self._process.terminate()
        self._process.join()
        self.pipe.close()


@dataclass(frozen=True, slots=True)
class _Told:
    """A progress that is shown at the other end of a pipe."""

    pipe: Connection

    @contextmanager
    def stage(self, title: str) -> Iterator[Advance]:
        """A stage that fails does not end: the error follows."""
        self.pipe.send(_Began(title))
        yield lambda done, total: self.pipe.send(_Advanced(done, total))
        self.pipe.send(_Ended())


def _work(pipe: Connection, ground: Ground) -> None:
    """A process's life: orders until the other end hangs up. One thread, since there are as many processes as cores."""
    encoder = msgspec.structs.replace(ground.settings.encoder, threads=1)
    ground = replace(ground, settings=msgspec.structs.replace(ground.settings, encoder=encoder))
    try:
        with one_thread(everything=True):
            measuring = Measuring(ground, _Told(pipe))
            while True:
                order, late = pipe.recv()
                pipe.send(measuring.seed(order, late=late))
    except RouteNlpError as exc:
        pipe.send(exc)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
