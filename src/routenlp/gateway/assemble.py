"""Builds what the gateway serves with, from settings."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from routenlp import wiring
from routenlp.backends.anthropic.body import dialect as anthropic_dialect
from routenlp.backends.openai_compatible.body import dialect as openai_dialect
from routenlp.backends.remote.dialect import Dialect
from routenlp.backends.remote.upstream import Limits, Upstream, connector
from routenlp.errors import SettingsError
from routenlp.gateway.access import Access
from routenlp.gateway.anthropic_tier import AnthropicTier
from routenlp.gateway.live import Live, served_tasks
from routenlp.gateway.metrics import Metrics
from routenlp.gateway.state import Gateway, NoRecords
from routenlp.gateway.tiers import LiveTier, OpenAITier
from routenlp.portfolio.tiers import Tier
from routenlp.settings import Settings, TierSettings
from routenlp.store.content import ContentPolicy
from routenlp.store.rates import RateLimiter
from routenlp.store.sql.database import locate
from routenlp.store.sql.money import Budget
from routenlp.store.sql.opening import OpenRecord, open_record

_CLOCK = time.perf_counter


def new_session() -> aiohttp.ClientSession:
    """The one client of all upstreams; to be made, and closed, in the event loop."""
    return aiohttp.ClientSession(
        connector=connector(0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
        skip_auto_headers=("User-Agent",),
        trust_env=False,
    )


def build_live(settings: Settings, environ: Mapping[str, str], session: aiohttp.ClientSession) -> Live:
    """Tiers, policy and tasks. Reads the policy's folder, so it may take a second. Raises `RouteNlpError`."""
    portfolio = wiring.portfolio(settings)
    serving = wiring.serving_policy(settings)
    tiers = {
        tier.name: live_tier(tier, given, environ, session)
        for tier, given in zip(portfolio.tiers, settings.portfolio, strict=True)
    }
    statuses = serving.statuses if serving is not None else {}
    return Live(settings, tiers, served_tasks(settings, statuses), serving.policy if serving is not None else None)


def live_tier(tier: Tier, given: TierSettings, environ: Mapping[str, str], session: aiohttp.ClientSession) -> LiveTier:
    """Raises `SettingsError` for a backend that cannot serve live, and for a key that the environment lacks."""
    build = _REMOTE_TIERS.get(given.backend)
    if build is None:
        raise SettingsError(
            f"portfolio.{tier.name}.backend",
            f"is {given.backend!r}, which the gateway cannot ask",
            f"Use one of {', '.join(_REMOTE_TIERS)} with a base_url.",
        )
    key = secret_of(f"portfolio.{tier.name}.api_key_env", given.api_key_env, environ)
    return build(tier, given, key, session)


def _openai_tier(tier: Tier, given: TierSettings, key: str | None, session: aiohttp.ClientSession) -> LiveTier:
    upstream = _upstream(tier, given, openai_dialect(key), session)
    return OpenAITier(tier, upstream, logprobs=given.logprobs, clock=_CLOCK, drop=given.drop)


def _anthropic_tier(tier: Tier, given: TierSettings, key: str | None, session: aiohttp.ClientSession) -> LiveTier:
    upstream = _upstream(tier, given, anthropic_dialect(key), session)
    return AnthropicTier(
        tier, upstream, most_tokens=given.max_tokens, drop=given.drop, clock=_CLOCK, wall_clock=time.time
    )


_REMOTE_TIERS = {"openai": _openai_tier, "anthropic": _anthropic_tier}


def _upstream(tier: Tier, given: TierSettings, dialect: Dialect, session: aiohttp.ClientSession) -> Upstream:
    limits = Limits(given.connect_s, given.first_token_s, given.total_s, given.retries)
    urls = wiring.base_urls(given)
    return Upstream(tier.name, urls, dialect, limits, session, clock=_CLOCK, chance=random.random)


def secret_of(setting: str, variable: str | None, environ: Mapping[str, str]) -> str | None:
    """The value of `variable`; None where none is named. Raises `SettingsError` where it is empty or no header."""
    if variable is None:
        return None
    value = environ.get(variable, "").strip()
    if not value:
        raise SettingsError(setting, f"names {variable}, which is not set", f"Set {variable}, or name no variable.")
    if not value.isascii() or not value.isprintable():
        raise SettingsError(setting, f"names {variable}, whose value is no key", "Keys are printable ASCII.")
    return value


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
        clock=_CLOCK,
        wall_clock=time.time,
    )
    gateway = Gateway(
        live=live,
        access=access,
        records=record.writer if record is not None else NoRecords(),
        metrics=Metrics(),
        clock=_CLOCK,
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
