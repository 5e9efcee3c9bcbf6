"""One run of the pilot: train, serve the weeks hour by hour, run the other rules on the same traffic."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routenlp import wiring
from routenlp.bench.datasets import six_tasks
from routenlp.bench.pilot.ablation import (
    AciRule,
    ArmServed,
    Columns,
    PaperRule,
    Rule,
    columns,
    first_scores,
    first_window,
    run_arm,
)
from routenlp.bench.pilot.answers import AnswerBook, Moment
from routenlp.bench.pilot.catalogue import Catalogue, make_catalogue
from routenlp.bench.pilot.crew import Clock, Crew, open_fast
from routenlp.bench.pilot.days import Pilot, Plan
from routenlp.bench.pilot.episodes import EIGHT_WEEKS, ONE_WEEK
from routenlp.bench.pilot.every_row import every_row
from routenlp.bench.pilot.evidence import StoreEvidence, read_evidence
from routenlp.bench.pilot.front import Front, Side
from routenlp.bench.pilot.http import QUERIES, QUICK_QUERIES, HttpSeen, over_http
from routenlp.bench.pilot.in_time import Fewest, fewest_of_tasks
from routenlp.bench.pilot.kept import FirstRows
from routenlp.bench.pilot.log import ServedLog
from routenlp.bench.pilot.loop import Loop
from routenlp.bench.pilot.sla_table import UNASKED_S
from routenlp.bench.pilot.system import SYSTEM, Begun, begin, settings_for
from routenlp.bench.pilot.tiers import PilotTiers
from routenlp.bench.pilot.traffic import BEGIN_S, GENERATED_MIX, MIX, Arrivals
from routenlp.bench.pilot.world import Took, World
from routenlp.bench.progress import Progress
from routenlp.bench.six_tasks import workload as rows_of_tasks
from routenlp.bench.six_tasks.replayed import Models
from routenlp.bench.six_tasks.workload import Workload
from routenlp.contracts import Encoder
from routenlp.errors import MissingData
from routenlp.settings import Settings
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.database import locate
from routenlp.store.sql.writer import RecordWriter
from routenlp.types import Example
from routenlp.worker.turn.system import Encoders

A_DAY = 5_000
DAYS, QUICK_DAYS = 56, 7
TURNS, QUICK_TURNS = (2, 35), ()
"""Days at whose end the loop turns: two clean stretches before the next episode, long enough for a trial."""
QUICK_TASKS = ("cs_intent", "legal_risk")
BUDGET_USD = 500.0
"""Of audits a day. Built-in prices are a thousand times those of today's models; the default of $20 means theirs."""
FROZEN = "frozen thresholds"
PAPER_PUBLISHED = "paper's rule, alpha 0.05"
PAPER_SWEPT = "paper's rule, tuned alphas"
ACI = "ACI, tuned alphas"


def plan_for(
    settings: Settings, workload: Workload, *, quick: bool, loop: bool = True, days: int | None = None
) -> Plan:
    """What a run simulates."""
    mix = GENERATED_MIX if workload.generated else MIX
    number = days or (QUICK_DAYS if quick else DAYS)
    turns = QUICK_TURNS if quick or not loop else TURNS
    return Plan(number, A_DAY, mix, ONE_WEEK if quick else EIGHT_WEEKS, settings.seed, turns)


def strangers(settings: Settings, environment: str | None, *, generated: bool) -> Sequence[Example]:
    """CLINC150's rows; none beside generated ones, and none where they are not at hand."""
    found = None if generated else rows_of_tasks.find(settings, environment)
    if found is None:
        return ()
    try:
        split = six_tasks.load(found.six_tasks, "cs_intent_oos")
    except MissingData:
        return ()
    return (*split.train, *split.test)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a run is to do."""

    settings: Settings
    workload: Workload
    others: Sequence[Example]
    """Queries from outside."""
    plan: Plan
    quick: bool
    http: bool
    """Also the shorter pilot through the real gateway."""
    models: Models
    """What recorded language models say."""
    keep: Path | None = None
    """A folder in which the first system is kept, or lies from an earlier run."""


def run(asked: Asked, progress: Progress) -> World:
    """All of it, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="routenlp-pilot-") as scratch:
        return _Run(asked, progress, Path(scratch)).all()


class _Run:
    def __init__(self, asked: Asked, progress: Progress, folder: Path) -> None:
        self.keep = asked.keep or folder
        self.keep.mkdir(parents=True, exist_ok=True)
        store, tasks = folder / "pilot.db", asked.workload.folds
        self.settings = settings_for(asked.settings, self.keep / SYSTEM, store, tasks, BUDGET_USD)
        self.asked, self.progress, self.folder = asked, progress, folder
        self.workload, self.plan = asked.workload, asked.plan

    def all(self) -> World:
        processor_s = time.process_time()
        encoder = wiring.minilm(self.settings, lambda _: None)
        plain, rich = (wiring.cached(encoder.with_pooling(rich=r), self.settings) for r in (False, True))
        begun = begin(self.settings, self.workload, self.keep, plain, rich, self.progress, self.asked.models)
        trained_s, training = time.perf_counter(), time.process_time() - processor_s
        catalogue = make_catalogue(begun.pools, self.asked.others, begun.hard, self.plan.episodes)
        pilot, book = self._pilot(catalogue, [plain, rich], [encoder.with_pooling(rich=r) for r in (False, True)])
        with self.progress.stage(f"{self.plan.days} days of {self.plan.a_day:,} queries") as advance:
            pilot.each_day = lambda day: advance(day + 1, self.plan.days)
            pilot.loop = self._loop(pilot, Encoders(plain, rich))
            first = self._first_side(pilot)
            pilot.run()
        piloted_s = time.perf_counter()
        with self.progress.stage("the same traffic under other rules"):
            days = self._days(pilot, book, first)
            arms = self._arms(pilot, begun, book, first, days)
            table = pilot.front.log.table()
            once = every_row(pilot.front, table, pilot.moments)
        http = self._http(pilot, first) if self.asked.http else None
        evidence = _ended(pilot)
        processor = begun.kept.processor_s + time.process_time() - processor_s - training
        stages = (begun.kept.seconds, piloted_s - trained_s, time.perf_counter() - piloted_s)
        took = Took(*stages, pilot.serve_s, pilot.worker_s, pilot.turn_s, processor)
        return World(
            plan=self.plan,
            settings=self.settings,
            generated=self.workload.generated,
            quick=self.asked.quick,
            catalogue=catalogue,
            pools=begun.pools,
            provable=begun.provable,
            hard=begun.hard,
            served=table,
            arms=arms,
            evidence=evidence,
            standings=pilot.standings,
            outages=pilot.outages,
            turns=pilot.turned,
            trials=pilot.loop.looked if pilot.loop is not None else (),
            models=self.asked.models,
            http=http,
            labels_given=pilot.crew.labels_given,
            decisions=pilot.front.decisions,
            took=took,
            moments=pilot.moments,
            statuses=[(way.status, way.routed) for way in pilot.front.ways_of_serving],
            every_row=once,
            fewest_missed=self._fewest_missed(catalogue, days),
        )

    def _pilot(
        self, catalogue: Catalogue, encoders: Sequence[Encoder], bare: Sequence[Encoder]
    ) -> tuple[Pilot, AnswerBook]:
        settings = self.settings
        book = AnswerBook(catalogue, wiring.portfolio(settings), settings, encoders, bare, self.asked.models)
        assert settings.store is not None, "set by settings_for"
        store, clock = locate(settings.store.url), Clock(BEGIN_S)
        writer = RecordWriter(open_fast(store), content=ContentPolicy("all", redact=()), clock=clock)
        front = Front(settings, book, writer, ServedLog(), np.random.default_rng([self.plan.seed, 1]))
        crew = Crew(settings, store, PilotTiers(book, front), open_fast(store), clock)
        front.follow()
        return Pilot(self.plan, settings, store, front, crew, clock, lambda _: None), book

    def _http(self, pilot: Pilot, first: Side) -> HttpSeen:
        n = QUICK_QUERIES if self.asked.quick else QUERIES
        folder, system = self.folder / "http", self.keep / SYSTEM
        return over_http(self.settings, system, folder, pilot.front, first, self.plan, self.progress, queries=n)

    def _loop(self, pilot: Pilot, encoders: Encoders) -> Loop | None:
        if not self.plan.turns:
            return None
        turning = open_fast(pilot.store), pilot.clock, encoders, self.progress.stage
        return Loop(self.settings, pilot.store, pilot.front, *turning)

    def _first_side(self, pilot: Pilot) -> Side:
        pilot.front.follow()
        return pilot.front.side_now

    def _days(self, pilot: Pilot, book: AnswerBook, first: Side) -> list[tuple[Arrivals, Columns]]:
        by_moment: dict[Moment, Columns] = {}
        for moment in pilot.moments:
            if moment not in by_moment:
                by_moment[moment] = columns(book, first.policy.models, moment)
        return [(a, by_moment[m]) for a, m in zip(pilot.arrivals, pilot.moments, strict=True)]

    def _fewest_missed(self, catalogue: Catalogue, days: Sequence[tuple[Arrivals, Columns]]) -> dict[str, Fewest]:
        known = {name: (task.sla_s, task.eps) for name, task in self.settings.tasks.items()}
        tasks = np.array([item.task for item in catalogue.items])
        counted = np.array([item.counted for item in catalogue.items])
        asked = {task: known.get(task, (UNASKED_S, 0.0)) for task in dict.fromkeys(tasks.tolist())}
        return fewest_of_tasks(days, tasks, counted, asked)

    def _arms(
        self,
        pilot: Pilot,
        begun: Begun,
        book: AnswerBook,
        first: Side,
        days: Sequence[tuple[Arrivals, Columns]],
    ) -> list[ArmServed]:
        first_rows = begun.kept.first
        named: Mapping[str, Mapping[str, Rule]] = {
            PAPER_PUBLISHED: {task: _paper(rows, rows.published) for task, rows in first_rows.items()},
            PAPER_SWEPT: {task: _paper(rows, rows.tuned) for task, rows in first_rows.items()},
            ACI: {task: AciRule(rows.tuned, first_scores(rows.score, rows.right)) for task, rows in first_rows.items()},
        }
        found = [run_arm(name, rules, book, days, seed=self.plan.seed) for name, rules in named.items()]
        return [_frozen(pilot, first), *found]


def _ended(pilot: Pilot) -> StoreEvidence:
    """What the store says at the end, which nobody writes to any more."""
    evidence = read_evidence(pilot.store, pilot.crew.connection)
    pilot.front.writer.close(60.0)
    pilot.crew.connection.close()
    return evidence


def _frozen(pilot: Pilot, first: Side) -> ArmServed:
    """The first policy, as it was proved, for ever: the machine's own ways."""
    rows, portfolio = [], pilot.front.book.portfolio
    for arrivals, moment in zip(pilot.arrivals, pilot.moments, strict=True):
        for item in arrivals.item.tolist():
            way = pilot.front.way(first, item, Moment(moment.worse, 1.0))
            top = pilot.front.book.answer(portfolio.top, item, "", moment)
            dear = top.cost_usd if way.tier == portfolio.top else 0.0
            paid = sum(step.cost_usd for step in way.steps if step.tier != portfolio.top)
            rows.append((paid + dear, way.quality, way.latency_s, portfolio.position(way.tier)))
    cost, quality, latency, final = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    return ArmServed(FROZEN, cost, quality, latency, final.astype(np.int64), np.zeros(len(cost)))


def _paper(rows: FirstRows, alphas: Sequence[float]) -> PaperRule:
    return PaperRule(alphas, first_window(rows.score, rows.right), BEGIN_S)
