"""`routenlp worker`, beside the gateway: audits and grades, the watch over quality, calibration, candidates.

One worker leads, by a lease in the store; another one waits, and takes over when the lease is given up or runs out.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from routenlp import wiring
from routenlp.cli.live_tiers import LiveTiers
from routenlp.cli.recalibrate import attempt_words, recalibrator
from routenlp.cli.screen import open_console, show_lines
from routenlp.cli.serve import check_installed, settings_file
from routenlp.cli.trials import trial_judge
from routenlp.cli.trials import words as trial_words
from routenlp.errors import MissingData, RouteNlpError, SettingsError
from routenlp.gateway.assemble import build_live, content_policy, new_session
from routenlp.gateway.live import Live
from routenlp.gateway.logs import set_up_logs
from routenlp.grading.judge import RUBRIC
from routenlp.replay.backtest.threads import one_thread
from routenlp.settings import Settings, load
from routenlp.store.sql import leases
from routenlp.store.sql.database import locate, mapped, open_store
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt
from routenlp.worker import grading
from routenlp.worker.audit_rates import AuditRates
from routenlp.worker.audits import AuditRunner, Ran
from routenlp.worker.grading import Graded, Grader
from routenlp.worker.leader import Leader
from routenlp.worker.monitor import Looked, Monitor
from routenlp.worker.promised import Promises
from routenlp.worker.recalibration import Recalibrator
from routenlp.worker.trial import Judge

_LOG = logging.getLogger("routenlp.worker")
EVERY_S = 5.0
BATCH = 20


def run(given: Path | None, environ: Mapping[str, str], *, once: bool) -> None:
    """Until a signal; `once`: until nothing is left that can be done now."""
    path = settings_file(given)
    check_installed("routenlp worker")
    settings = load(path, environ, default="")
    if settings.store is None:
        raise SettingsError("store", "is not given, and audits wait in it", "Give store.url.")
    store = locate(settings.store.url)
    named = [tier.api_key_env for tier in settings.portfolio if tier.api_key_env]
    set_up_logs([value for name in named if (value := environ.get(name))])
    connection = open_store(store)
    try:
        with (
            one_thread(),
            mapped(store),
            trial_judge(settings, store) as trials,
            recalibrator(settings, store) as again,
        ):
            asyncio.run(_work(settings, environ, connection, trials, again, once=once))
    finally:
        connection.close()


def switch(given: Path | None, environ: Mapping[str, str], *, pause: bool) -> None:
    """Pauses the workers of the store, or has them go on."""
    settings = load(settings_file(given), environ, default="")
    if settings.store is None:
        raise SettingsError("store", "is not given, and workers work on it", "Give store.url.")
    store = locate(settings.store.url)
    connection = open_store(store)
    try:
        with mapped(store):
            if pause:
                leases.pause(connection, leases.WORKER, "a command", now_s=time.time())
            else:
                leases.resume(connection, leases.WORKER)
    finally:
        connection.close()
    words_of = "Workers are paused: no audit is run, no alarm raised." if pause else "Workers go on."
    show_lines(open_console(stderr=False), [words_of])


async def _work(
    settings: Settings,
    environ: Mapping[str, str],
    connection: sqlite3.Connection,
    trials: Judge,
    again: Recalibrator,
    *,
    once: bool,
) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    leader = Leader(again.store)
    async with new_session() as session, leader:
        live = await asyncio.to_thread(build_live, settings, environ, session)
        console = open_console(stderr=False)
        rates = AuditRates(connection, settings, time.time)
        while not over.is_set():
            if why_not := leader.why_not():
                if once:
                    show_lines(console, [why_not])
                    return
                await _wait(over)
                continue
            runner, grader = _runner(settings, live, connection), _grader(settings, live, connection)
            monitor = Monitor(connection, Promises(settings), time.time, again.in_force)
            _plan(rates)
            done = await _round(runner, grader, monitor, once=once)
            moved, calibrated = await _changed(trials, again, settings, live.revision)
            if moved:
                live = await asyncio.to_thread(build_live, settings, environ, session, before=live)
            if done.busy or done.ran.missing or calibrated or once:
                show_lines(console, [words(done.ran, done.graded), *map(alarm_words, done.looked.alarms)])
                show_lines(console, [line for attempt in calibrated for line in attempt_words(attempt)])
            for alarm in done.looked.alarms:
                _LOG.error("%s", alarm_words(alarm))
            if once and not done.busy:
                return
            if not done.busy:
                await _wait(over)


@dataclass(frozen=True, slots=True)
class _Done:
    """One round."""

    ran: Ran = field(default_factory=Ran)
    graded: Graded = field(default_factory=Graded)
    looked: Looked = field(default_factory=Looked)

    @property
    def busy(self) -> bool:
        return bool(
            self.ran.answered
            or self.graded.by_metric
            or self.graded.by_judge
            or self.looked.watched
            or self.looked.kept
            or self.looked.idle
            or self.looked.compared
        )


async def _round(runner: AuditRunner, grader: Grader, monitor: Monitor, *, once: bool) -> _Done:
    try:
        return _Done(await runner.run(BATCH), await grader.run(BATCH), monitor.run(BATCH))
    except (sqlite3.OperationalError, RouteNlpError) as exc:
        if once:
            raise
        # Another process writes for long, the disk is full, or what serves cannot be read: what was taken is taken
        # again later, and an audit that nobody looked at waits.
        _LOG.warning("the store did not take what an audit brought, or does not say what serves: %s", exc)
        return _Done()


def _plan(rates: AuditRates) -> None:
    """How much of each task is audited. What fails here must not end the audits, and is tried again."""
    try:
        for new in rates.look():
            _LOG.info("%.1f%% of %s is audited: %s", 100.0 * new.planned.rate, new.task, new.planned.why)
    except sqlite3.Error as exc:
        _LOG.warning("how much to audit could not be planned: %s", exc)


async def _wait(over: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), EVERY_S)


async def _changed(trials: Judge, again: Recalibrator, settings: Settings, revision: int) -> tuple[bool, list[Attempt]]:
    """One look at what is on trial, and at what is to be calibrated; whether other policies serve since.

    What fails here must not end the audits.
    """
    attempts: list[Attempt] = []
    try:
        attempts = await asyncio.to_thread(again.look)
        looked = await asyncio.to_thread(trials.look)
        if looked is not None and looked.moved:
            show_lines(open_console(stderr=False), [trial_words(looked)])
        return wiring.policies_in_force(settings).revision != revision, attempts
    except (RouteNlpError, sqlite3.Error, OSError) as exc:
        _LOG.error("what is on trial, or to be calibrated, could not be judged: %s", exc)
        return False, attempts


def words(ran: Ran, graded: Graded) -> str:
    """One round."""
    said = (
        f"Audits answered {ran.answered}, failed {ran.failed}, missing {ran.missing}; graded by metric "
        f"{graded.by_metric}, by judge {graded.by_judge}, waiting for gold {graded.waiting}, not judged {graded.failed}"
    )
    return f"{said}; the day's budget is used up." if ran.budget_used_up else f"{said}."


def alarm_words(alarm: Alarm) -> str:
    """What happened, and what follows from it."""
    found = alarm.evidence
    if "why" in found:
        return f"Alarm: {alarm.task} is watched no more. {found['why']} The top tier serves it from now on."
    return (
        f"Alarm: the quality of {alarm.task} is under what {found['guarantee']} at {found['target']} promises, after "
        f"{found['audits_seen']} audits. The top tier serves it from now on, and new audits go to its calibration."
    )


def _runner(settings: Settings, live: Live, connection: sqlite3.Connection) -> AuditRunner:
    return AuditRunner(
        connection,
        LiveTiers(live),
        _Allowed(live),
        content_policy(settings),
        settings.audit.max_usd_per_day,
        time.time,
        f"worker-{os.getpid()}",
    )


def _grader(settings: Settings, live: Live, connection: sqlite3.Connection) -> Grader:
    models = {name: tier.tier.model or name for name, tier in live.tiers.items()}
    return Grader(
        connection,
        LiveTiers(live),
        {name: task.metric for name, task in settings.tasks.items()},
        models,
        _Allowed(live),
        _judge(settings, models),
        settings.audit.max_usd_per_day,
        time.time,
        f"worker-{os.getpid()}",
    )


class _Allowed:
    """By task, the tiers that may be run on it now."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(self, task: str) -> tuple[str, ...]:
        served = self._live.tasks.get(task)
        return served.tiers if served is not None else ()


def _judge(settings: Settings, models: Mapping[str, str]) -> grading.Judge | None:
    given = settings.judge
    if given is None:
        return None
    rubric = RUBRIC if given.rubric is None else _text(Path(given.rubric).expanduser())
    return grading.Judge(given.tier, models[given.tier], rubric, given.same_family == "warn")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise MissingData("judge.rubric", f"{str(path)!r} cannot be read ({exc})", "Name a text file.") from exc
