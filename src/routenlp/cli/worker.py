"""`routenlp worker`, beside the gateway: audits and grades, the watch over quality, the judging of candidates."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from routenlp import wiring
from routenlp.cli.live_tiers import LiveTiers
from routenlp.cli.screen import open_console, show_lines
from routenlp.cli.serve import check_installed, settings_file
from routenlp.cli.trials import trial_judge
from routenlp.cli.trials import words as trial_words
from routenlp.errors import MissingData, RouteNlpError, SettingsError
from routenlp.gateway.assemble import build_live, content_policy, new_session
from routenlp.gateway.live import Live
from routenlp.gateway.logs import set_up_logs
from routenlp.grading.judge import RUBRIC
from routenlp.settings import Settings, load
from routenlp.store.sql.database import locate, mapped, open_store
from routenlp.store.sql.monitoring import Alarm
from routenlp.worker import grading
from routenlp.worker.audits import AuditRunner, Ran
from routenlp.worker.grading import Graded, Grader
from routenlp.worker.monitor import Looked, Monitor, Promised
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
        with mapped(store), trial_judge(settings, store) as trials:
            asyncio.run(_work(settings, environ, connection, trials, once=once))
    finally:
        connection.close()


async def _work(
    settings: Settings, environ: Mapping[str, str], connection: sqlite3.Connection, trials: Judge, *, once: bool
) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with new_session() as session:
        live = await asyncio.to_thread(build_live, settings, environ, session)
        runner, grader = _runner(settings, live, connection), _grader(settings, live, connection)
        monitor = Monitor(connection, _Promises(settings), time.time)
        console = open_console(stderr=False)
        while not over.is_set():
            try:
                ran, graded = await runner.run(BATCH), await grader.run(BATCH)
                looked = monitor.run(BATCH)
            except sqlite3.OperationalError as exc:
                if once:
                    raise
                # Another process writes for long, or the disk is full: what was taken is taken again later.
                _LOG.warning("the store did not take what an audit brought: %s", exc)
                ran, graded, looked = Ran(), Graded(), Looked()
            if await _changed(trials, settings, live.revision):
                live = await asyncio.to_thread(build_live, settings, environ, session, before=live)
                runner, grader = _runner(settings, live, connection), _grader(settings, live, connection)
            busy = ran.answered or graded.by_metric or graded.by_judge or looked.watched or looked.kept
            if busy or ran.missing or once:
                show_lines(console, [words(ran, graded), *map(alarm_words, looked.alarms)])
            for alarm in looked.alarms:
                _LOG.error("%s", alarm_words(alarm))
            if once and not busy:
                return
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), EVERY_S)


async def _changed(trials: Judge, settings: Settings, revision: int) -> bool:
    """One look at what is on trial; whether other policies serve since. What fails here must not end the audits."""
    try:
        looked = await asyncio.to_thread(trials.look)
        if looked is not None and looked.moved:
            show_lines(open_console(stderr=False), [trial_words(looked)])
        return wiring.policies_in_force(settings).revision != revision
    except (RouteNlpError, sqlite3.Error) as exc:
        _LOG.error("what is on trial could not be judged: %s", exc)
        return False


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


class _Promises:
    """By task, what its settings promise."""

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
