"""Builds each tier of the settings as the gateway asks it."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from routenlp import wiring
from routenlp.backends.anthropic.body import dialect as anthropic_dialect
from routenlp.backends.local.server import LocalModel, LocalServer
from routenlp.backends.openai_compatible.body import dialect as openai_dialect
from routenlp.backends.recording import read_recording
from routenlp.backends.remote.dialect import Dialect
from routenlp.backends.remote.upstream import Limits, Upstream
from routenlp.cascade.long_input import Window
from routenlp.contracts import Student
from routenlp.errors import SettingsError
from routenlp.gateway.anthropic_tier import AnthropicTier
from routenlp.gateway.local_tier import LocalTier
from routenlp.gateway.long_tier import LongTier, unwrapped
from routenlp.gateway.plain import Clerk
from routenlp.gateway.recorded_tier import RecordedTier
from routenlp.gateway.student_tier import StudentTier
from routenlp.gateway.threads import Threads
from routenlp.gateway.tiers import LiveTier, OpenAITier
from routenlp.portfolio.tiers import Tier
from routenlp.settings import TierSettings

CLOCK = time.perf_counter
_PARTS_AT_ONCE = 8
"""Of one query, at an endpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """What tiers are built with."""

    environ: Mapping[str, str]
    session: aiohttp.ClientSession
    students: Mapping[str, Mapping[str, Student]]
    """By tier, then task; from the policy's folder."""
    weights: Callable[[str], Path] = Path
    """The GGUF file that a tier's `weights` names; may fetch it."""
    running: Mapping[str, LiveTier] = field(default_factory=dict)
    """Tiers in force until now: a local model that is asked for again goes on running."""


def live_tier(tier: Tier, given: TierSettings, means: Means) -> LiveTier:
    """Raises `SettingsError` for what its backend needs and lacks: a key, trained students, a recording."""
    made = _BUILD[given.backend](tier, given, means)
    window = window_of(given)
    return made if window is None else LongTier(made, window, clock=CLOCK)


def window_of(given: TierSettings) -> Window | None:
    """What one call of the tier can hold; None where that is not known."""
    local = given.backend == "local"
    tokens = given.context if local else given.context_tokens
    at_once = given.slots if local else _PARTS_AT_ONCE
    return None if tokens is None else Window(tokens, given.long_input, at_once)


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


def _openai_tier(tier: Tier, given: TierSettings, means: Means) -> LiveTier:
    upstream = _upstream(tier, given, openai_dialect, means)
    return OpenAITier(tier, upstream, logprobs=given.logprobs, clock=CLOCK, drop=given.drop)


def _anthropic_tier(tier: Tier, given: TierSettings, means: Means) -> LiveTier:
    upstream = _upstream(tier, given, anthropic_dialect, means)
    return AnthropicTier(
        tier, upstream, most_tokens=given.max_tokens, drop=given.drop, clock=CLOCK, wall_clock=time.time
    )


def _student_tier(tier: Tier, given: TierSettings, means: Means) -> LiveTier:
    students = means.students.get(tier.name)
    if not students:
        raise SettingsError(
            f"portfolio.{tier.name}.backend",
            "is student, and policy.folder holds no students of this tier",
            "Name the folder of a trained system, such as `routenlp demo --folder` leaves.",
        )
    threads = Threads(tier.name, threads=given.threads, most_waiting=given.most_waiting)
    return StudentTier(_clerk(tier, tier.model or tier.name), students, threads, total_s=given.total_s, clock=CLOCK)


def _recorded_tier(tier: Tier, given: TierSettings, means: Means) -> LiveTier:  # noqa: ARG001 - as the others
    if given.recording is None:
        raise SettingsError(
            f"portfolio.{tier.name}.recording", "is not given", "Name JSON lines with id, task, text and answer."
        )
    recording = read_recording(Path(given.recording).expanduser())
    return RecordedTier(_clerk(tier, f"recording:{tier.name}"), recording, clock=CLOCK)


def _local_tier(tier: Tier, given: TierSettings, means: Means) -> LiveTier:
    if given.weights is None:
        raise SettingsError(
            f"portfolio.{tier.name}.weights",
            "is not given",
            "Write packaged, hub:OWNER/NAME/FILE.gguf, or a GGUF file.",
        )
    model = LocalModel(
        tier.model or tier.name,
        means.weights(given.weights),
        context=given.context,
        slots=given.slots,
        threads=given.threads,
        most_tokens=min(given.max_tokens, given.context),
        port=given.port or None,
    )
    old = unwrapped(means.running.get(tier.name))
    server = old.server if isinstance(old, LocalTier) and old.model == model else LocalServer(model)
    limits = Limits(given.connect_s, given.first_token_s, given.total_s, given.retries)
    dialect = openai_dialect(server.key)
    upstream = Upstream(tier.name, (server.url,), dialect, limits, means.session, clock=CLOCK, chance=random.random)
    named = tier if tier.model else replace(tier, model=tier.name)
    inner = OpenAITier(named, upstream, logprobs=given.logprobs, clock=CLOCK, drop=given.drop)
    return LocalTier(inner, server, most_waiting=given.most_waiting)


_BUILD: Mapping[str, Callable[[Tier, TierSettings, Means], LiveTier]] = {
    "openai": _openai_tier,
    "anthropic": _anthropic_tier,
    "local": _local_tier,
    "student": _student_tier,
    "recorded": _recorded_tier,
}


def _clerk(tier: Tier, model: str) -> Clerk:
    return Clerk(tier, model, wall_clock=time.time, new_id=lambda: uuid.uuid4().hex)


def _upstream(tier: Tier, given: TierSettings, dialect: Callable[[str | None], Dialect], means: Means) -> Upstream:
    limits = Limits(given.connect_s, given.first_token_s, given.total_s, given.retries)
    key = secret_of(f"portfolio.{tier.name}.api_key_env", given.api_key_env, means.environ)
    urls = wiring.base_urls(given)
    return Upstream(tier.name, urls, dialect(key), limits, means.session, clock=CLOCK, chance=random.random)
