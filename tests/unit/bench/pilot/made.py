"""A finished pilot of 28 days and one query an hour, made by hand: no machine, no store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.unit.bench.pilot.small import examples

from routenlp.bench.pilot.answers import Moment
from routenlp.bench.pilot.catalogue import make_catalogue
from routenlp.bench.pilot.days import Plan
from routenlp.bench.pilot.episodes import Episode, Kind
from routenlp.bench.pilot.evidence import StoreEvidence
from routenlp.bench.pilot.in_time import Fewest
from routenlp.bench.pilot.log import ServedTable
from routenlp.bench.pilot.pools import Pool
from routenlp.bench.pilot.provable import Provable
from routenlp.bench.pilot.traffic import BEGIN_S, DAY_S, HOUR_S
from routenlp.bench.pilot.world import Took, World
from routenlp.conformal.verdict import Status
from routenlp.settings import PriceSettings, Settings, TaskSettings, TierSettings
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt

TASK, DAYS = "generated_intent", 28
EPISODE = Episode(Kind.WORSE, 7, 7, 0.10)


def alarm(day: float, *, cleared_by: str | None = None) -> Alarm:
    cleared_s = None if cleared_by is None else BEGIN_S + (day + 1.0) * DAY_S
    return Alarm(TASK, BEGIN_S + day * DAY_S, "policy", {}, cleared_s, cleared_by)


def calibrated(day: float, *, trigger: str = "alarm", result: str = "active") -> Attempt:
    return Attempt(TASK, BEGIN_S + day * DAY_S, trigger, result, "version", {"level": 0.1})


def evidence(*found: Alarm | Attempt) -> StoreEvidence:
    alarms = tuple(one for one in found if isinstance(one, Alarm))
    attempts = tuple(one for one in found if isinstance(one, Attempt))
    spent = {(TASK, "tier"): 7.0, (TASK, "judge"): 3.0, ("generated_reply", "tier"): 100.0}
    return StoreEvidence(alarms, attempts, (), (), spent, {(TASK, "graded"): 10}, 672)


def served(quality_by_day: dict[int, float]) -> ServedTable:
    """A cheap tier answers at $1 and the top tier would at $10; quality is 1 but on the days given."""
    n = DAYS * 24
    at_s = BEGIN_S + np.arange(n) * HOUR_S + 1.0
    day = np.arange(n) // 24
    ones = np.ones(n)
    quality = np.array([quality_by_day.get(int(d), 1.0) for d in day])
    no = np.zeros(n, dtype=np.bool_)
    return ServedTable(
        at_s=at_s,
        item=np.arange(n) % 50,
        quality=quality,
        top_quality=ones,
        cost_usd=ones,
        top_cost_usd=10.0 * ones,
        latency_s=0.1 * ones,
        top_latency_s=ones,
        final=np.zeros(n, dtype=np.int64),
        steps=np.ones(n, dtype=np.int64),
        audited=np.arange(n) % 10 == 0,
        propensity=0.1 * ones,
        fallback=no,
        accepted=~no,
        failed=quality < 1.0,
        first_right=~no,
        how=np.zeros(n, dtype=np.int64),
    )


def settings() -> Settings:
    tiers = tuple(
        TierSettings(name=name, backend=backend, price=PriceSettings(input_usd_per_mtok=usd, output_usd_per_mtok=usd))
        for name, backend, usd in (("small", "student", 1.0), ("top", "recorded", 10.0))
    )
    return Settings(portfolio=tiers, tasks={TASK: TaskSettings(metric="accuracy", sla_ms=200)})


def world(quality_by_day: dict[int, float] | None = None, found: StoreEvidence | None = None) -> World:
    pool = Pool(TASK, examples("row", 50), (), 0)
    plan = Plan(DAYS, 24, {TASK: 1.0}, (EPISODE,), 0)
    return World(
        plan=plan,
        settings=settings(),
        generated=True,
        quick=False,
        catalogue=make_catalogue({TASK: pool}, (), (), (EPISODE,)),
        pools={TASK: pool},
        provable={TASK: Provable(200, 87)},
        hard=frozenset(),
        served=served(quality_by_day or {}),
        arms=(),
        evidence=found or evidence(),
        standings=(),
        outages=(),
        turns=(),
        trials=(),
        models={},
        http=None,
        labels_given=0,
        decisions=0,
        took=Took(1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 3.0),
        moments=[Moment()] * DAYS,
        statuses=[(Status.CERTIFIED, True)],
        every_row={},
        fewest_missed={TASK: Fewest(DAYS * 24, 30, DAYS * 24)},
    )


def in_fallback(made: World) -> World:
    """The same with every answer from the top tier, by rule."""
    table = made.served
    yes = np.ones(table.n, dtype=np.bool_)
    top = replace(
        table, cost_usd=table.top_cost_usd, final=np.ones(table.n, dtype=np.int64), fallback=yes, accepted=~yes
    )
    return replace(made, served=top)
