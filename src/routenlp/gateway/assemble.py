"""Builds what the gateway serves with, from settings."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from routenlp import wiring
from routenlp.backends.remote.upstream import connector
from routenlp.errors import RouteNlpError, SettingsError
from routenlp.gateway.access import Access
from routenlp.gateway.build_tiers import CLOCK, Means, live_tier
from routenlp.gateway.commit import with_commits
from routenlp.gateway.live import Live, OnTrial, served_tasks
from routenlp.gateway.metrics import Metrics
from routenlp.gateway.state import Gateway, NoRecords
from routenlp.gateway.untagged import GuessesTasks
from routenlp.settings import Settings
from routenlp.store.content import ContentPolicy
from routenlp.store.in_force import InForce
from routenlp.store.rates import RateLimiter
from routenlp.store.sql.database import locate
from routenlp.store.sql.money import Budget
from routenlp.store.sql.opening import OpenRecord, open_record

_LOG = logging.getLogger("routenlp.gateway")


def new_session() -> aiohttp.ClientSession:
    """The one client of all upstreams; to be made, and closed, in the event loop."""
    return aiohttp.ClientSession(
        connector=connector(0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
        skip_auto_headers=("User-Agent",),
        trust_env=False,
    )


def build_live(
    settings: Settings, environ: Mapping[str, str], session: aiohttp.ClientSession, *, before: Live | None = None
) -> Live:
    """Tiers, policy and tasks, and the candidate where one is on trial. Reads folders, so it may take a second.

    `before`: what serves until now; its local models go on running where they are asked for again. Raises
    `RouteNlpError`; not for a candidate that cannot be built: the log tells, and everybody is served as before.
    """
    now = wiring.policies_in_force(settings)
    live = replace(_live(settings, environ, session, now.active, before, now), revision=now.revision)
    if now.candidate is None:
        return live
    try:
        other = _live(settings, environ, session, now.candidate, live, now)
    except RouteNlpError as exc:
        _LOG.error("the candidate %s cannot be tried: %s", now.candidate_version, exc)
        return live
    # What is asked over the network is the same for both, with one breaker and one count of what is under way.
    local = {tier.name for tier in settings.portfolio if tier.backend == "student"}
    tiers = {name: tier if name in local else live.tiers[name] for name, tier in other.tiers.items()}
    return replace(live, trial=OnTrial(now.candidate_version, replace(other, tiers=tiers), now.share))


def _live(
    settings: Settings,
    environ: Mapping[str, str],
    session: aiohttp.ClientSession,
    folder: Path | None,
    before: Live | None,
    now: InForce,
) -> Live:
    wiring.fetch_weights(settings, _LOG.info)
    portfolio = wiring.portfolio(settings)
    serving = wiring.serving_policy(settings, folder)
    students = wiring.load_students(settings, serving.students) if serving is not None else {}
    means = Means(
        environ,
        session,
        students,
        weights=lambda named: wiring.gguf(settings, named, _LOG.info),
        running=before.tiers if before is not None else {},
    )
    tiers = {
        tier.name: live_tier(tier, given, means)
        for tier, given in zip(portfolio.tiers, settings.portfolio, strict=True)
    }
    statuses = serving.statuses if serving is not None else {}
    stored = wiring.task_classifier(settings, serving)
    guesses = GuessesTasks(stored.encoder, stored.classifier) if stored is not None else None
    policy = serving.policy if serving is not None else None
    cached = any(tier.price.saved_by_cache_usd(1_000_000) > 0.0 for tier in portfolio.tiers)
    weighs = settings.gateway.keep_prompt_caches and cached
    served = with_commits(served_tasks(settings, statuses, now.alarmed, now.audit_rates), settings, policy)
    for task in sorted(name for name, its in served.items() if its.stale):
        _LOG.error(
            "%s has an open alarm and is served by a stale certificate, as its setting `stale: serve` asks", task
        )
    return Live(settings, tiers, served, policy, guesses, weighs)


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A gateway, and what must be closed after it."""

    gateway: Gateway
    record: OpenRecord | None


def assemble(settings: Settings, live: Live) -> Assembled:
    """Opens the store, where there is one. Raises `StoreError`, and `SettingsError` for keys without a store."""
    if settings.store is None and settings.gateway.auth == "keys":
        raise SettingsError(
            "gateway.auth", "is keys, and there is no store to keep them in", "Give store.url, or write auth: none."
        )
    record = _open(settings) if settings.store is not None else None
    access = Access(
        keys=record.keys if record is not None and settings.gateway.auth == "keys" else None,
        ledger=record.ledger if record is not None else None,
        rates=RateLimiter(),
        clock=CLOCK,
        wall_clock=time.time,
    )
    gateway = Gateway(
        live=live,
        access=access,
        records=record.writer if record is not None else NoRecords(),
        metrics=Metrics(),
        clock=CLOCK,
        wall_clock=time.time,
        entropy=os.urandom,
    )
    return Assembled(gateway, record)


def task_budgets(settings: Settings) -> dict[str, Budget]:
    """By task that has one."""
    return {
        name: Budget(task.budget.usd, task.budget.period)
        for name, task in settings.tasks.items()
        if task.budget is not None
    }


def content_policy(settings: Settings) -> ContentPolicy:
    """What may be stored of what was said."""
    given = settings.content
    return ContentPolicy(given.store, given.retain_days, given.redact)


def _open(settings: Settings) -> OpenRecord:
    assert settings.store is not None
    path = locate(settings.store.url)
    return open_record(path, task_budgets=task_budgets(settings), content=content_policy(settings))
