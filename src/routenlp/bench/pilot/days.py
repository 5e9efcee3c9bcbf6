"""The simulated clock: hour by hour traffic is served and recorded, then the worker does what there is to do.

    each hour: follow the store ─▶ serve ─▶ records on disk ─▶ worker's round ─▶ clock

Weather changes at midnight. What an operator would do is done: a new price is written into the settings. Nobody touches
a threshold, a policy or an alarm.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from routenlp.bench.pilot.answers import Moment
from routenlp.bench.pilot.crew import Clock, Crew, Worked
from routenlp.bench.pilot.episodes import Episode, Weather, weather
from routenlp.bench.pilot.front import Front
from routenlp.bench.pilot.judge import SimulatedJudge
from routenlp.bench.pilot.loop import Loop, TurnSeen
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S, HOUR_S, Arrivals, day_of_traffic
from routenlp.errors import StoreError
from routenlp.settings import Settings

HOURS_A_DAY = 24
TRIAL_EVERY_HOURS = 4
"""Between two looks at a candidate on trial: it is judged by audits, which are few an hour."""
DRAINED_S = 60.0
"""Real seconds in which the writer must have committed an hour's records."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is simulated."""

    days: int
    a_day: int
    mix: Mapping[str, float]
    episodes: tuple[Episode, ...]
    seed: int
    turns: tuple[int, ...] = ()
    """Days at whose end the loop turns."""


@dataclass(frozen=True, slots=True)
class TaskDay:
    """How one task stood at the end of a day."""

    day: int
    task: str
    status: str
    routed: bool


@dataclass(frozen=True, slots=True)
class OutageSeen:
    """What the store's outage did."""

    refused: bool
    """Whether the worker's round was refused by the store."""
    waited: int
    """Records that waited in the writer at the end of the day."""
    dropped: int
    dropped_audits: int


@dataclass(slots=True, eq=False)
class Pilot:
    """One run. `each_day`: called after each day, with its number."""

    plan: Plan
    settings: Settings
    store: Path
    front: Front
    crew: Crew
    clock: Clock
    each_day: Callable[[int], None]
    standings: list[TaskDay] = field(default_factory=list)
    worked: list[Worked] = field(default_factory=list)
    outages: list[OutageSeen] = field(default_factory=list)
    arrivals: list[Arrivals] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    """By day, like `arrivals`."""
    loop: Loop | None = None
    turned: list[TurnSeen] = field(default_factory=list)
    worker_s: float = 0.0
    serve_s: float = 0.0
    turn_s: float = 0.0

    def run(self) -> None:
        """All days."""
        for day in range(self.plan.days):
            now = weather(self.plan.episodes, day)
            self._price(now.price)
            moment = Moment(now.worse, now.price)
            self.front.moment, self.crew.tiers.judge = moment, SimulatedJudge(now.lenient)
            book = self.front.book
            arrivals = day_of_traffic(book.catalogue, self.plan.mix, self.plan.a_day, day, now, seed=self.plan.seed)
            self.arrivals.append(arrivals)
            self.moments.append(moment)
            self._day(day, arrivals, now)
            self.each_day(day)

    def _day(self, day: int, arrivals: Arrivals, now: Weather) -> None:
        if now.outage:
            with self._held_by_another():
                self._hours(day, arrivals, outage=True)
            self._drain()
        else:
            self._hours(day, arrivals, outage=False)
        self.crew.label_drawn()
        if self.loop is not None and day in self.plan.turns:
            begun_s = time.perf_counter()
            self.turned.append(self.loop.turn(day))
            self.turn_s += time.perf_counter() - begun_s
        self.front.follow()
        for task, served in sorted(self.front.side_now.tasks.items()):
            self.standings.append(TaskDay(day, task, str(served.status), served.routed))

    def _hours(self, day: int, arrivals: Arrivals, *, outage: bool) -> None:
        begin_s = BEGIN_S + day * DAY_S
        for hour in range(HOURS_A_DAY):
            since_s = begin_s + hour * HOUR_S
            begun_s = time.perf_counter()
            self.front.follow()
            self.front.serve(arrivals.between(since_s, since_s + HOUR_S))
            self.clock.now_s = since_s + HOUR_S
            if not outage:
                self._drain()
            self.serve_s += time.perf_counter() - begun_s
            begun_s = time.perf_counter()
            if not outage:
                self.worked.append(self.crew.round())
                if self.loop is not None and hour % TRIAL_EVERY_HOURS == 0:
                    self.loop.look()
            elif hour == 0:
                self._refused()
            self.worker_s += time.perf_counter() - begun_s
        if outage:
            writer = self.front.writer
            seen = self.outages[-1]
            self.outages[-1] = OutageSeen(seen.refused, writer.depth, writer.dropped, writer.dropped_audits)

    def _refused(self) -> None:
        """The worker's round fails and changes nothing; `routenlp worker` goes on to the next one."""
        refused = False
        try:
            self.crew.round()
        except (sqlite3.OperationalError, StoreError):
            refused = True
        self.outages.append(OutageSeen(refused, 0, 0, 0))

    @contextmanager
    def _held_by_another(self) -> Iterator[None]:
        """As if another process had the store in a transaction that does not end."""
        other = sqlite3.connect(self.store, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            yield
        finally:
            with suppress(sqlite3.Error):
                other.execute("ROLLBACK")
            other.close()

    def _drain(self) -> None:
        until_s = time.monotonic() + DRAINED_S
        while self.front.writer.depth:
            if time.monotonic() > until_s:
                raise StoreError(str(self.store), "took no records for a minute", "Look at the disk.")
            time.sleep(0.001)

    def _price(self, factor: float) -> None:
        """What an operator writes into the settings when the provider's prices change."""
        *cheap, top = self.settings.portfolio
        assert top.price is not None, "checked by the settings"
        now = msgspec.structs.replace(
            top.price,
            input_usd_per_mtok=top.price.input_usd_per_mtok * factor,
            output_usd_per_mtok=top.price.output_usd_per_mtok * factor,
        )
        priced = msgspec.structs.replace(self.settings, portfolio=(*cheap, msgspec.structs.replace(top, price=now)))
        if priced != self.front.settings:
            self.front.reload(priced)
            self.crew.reload(priced)
            if self.loop is not None:
                self.loop.settings = priced
