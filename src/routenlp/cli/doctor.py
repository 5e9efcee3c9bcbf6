"""`routenlp doctor`: is everything there that `routenlp serve` needs, and if not, what to do."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.serve import check_installed, settings_file
from routenlp.errors import RouteNlpError, SettingsError
from routenlp.settings import Settings, load

if TYPE_CHECKING:
    from routenlp.gateway.tiers import LiveTier

Grade = Literal["ok", "warning", "wrong"]
PATIENCE_S = 10.0
_QUESTION = b'{"model":"auto","messages":[{"role":"user","content":"Say ok."}],"max_tokens":16}'


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    grade: Grade
    says: str


def run(given: Path | None, environ: Mapping[str, str], json_target: str | None, *, ask: bool) -> None:
    """Look at everything; exits 1 where something must be mended. `ask`: put a short question to each tier."""
    path = settings_file(given)
    check_installed("routenlp doctor")
    settings = load(path, environ, default="")
    findings = [Finding("settings", "ok", f"{path} can be read"), *look(settings, environ, ask=ask)]
    console = open_console(stderr=json_target == "-")
    rows = tuple((finding.what, finding.grade, finding.says) for finding in findings)
    show_tables(console, [Table("Before serving", ("what", "is", "says"), rows)])
    wrong = sum(finding.grade == "wrong" for finding in findings)
    show_lines(
        console, ["The gateway can start." if not wrong else f"{wrong} of {len(findings)} must be mended first."]
    )
    if json_target is not None:
        write_json({"findings": [asdict(finding) for finding in findings], "wrong": wrong}, json_target)
    if wrong:
        sys.exit(1)


def look(settings: Settings, environ: Mapping[str, str], *, ask: bool) -> Iterator[Finding]:
    """Every finding, in the order of the settings."""
    found = [
        _checked("prices", lambda: _prices(settings)),
        _checked("keys of tiers", lambda: _secrets(settings, environ)),
        *_policy(settings),
        *_task_classifier(settings),
        *_audits(settings),
        *_gold(settings),
        _checked("store", lambda: _store(settings)),
        *_listeners(settings, environ),
    ]
    yield from found
    if ask:
        told = {finding.says for finding in found}
        yield from (finding for finding in asyncio.run(_tiers(settings, environ)) if finding.says not in told)


def _checked(what: str, look_at: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look_at())
    except RouteNlpError as exc:
        return Finding(what, "wrong", str(exc))


def _prices(settings: Settings) -> str:
    from routenlp import wiring

    tiers = wiring.portfolio(settings).tiers
    each = (f"{t.name} {t.price.input_usd_per_mtok:g}/{t.price.output_usd_per_mtok:g}" for t in tiers)
    return f"USD per million tokens, in/out: {', '.join(each)}"


def _secrets(settings: Settings, environ: Mapping[str, str]) -> str:
    from routenlp.gateway.build_tiers import secret_of

    named = [tier for tier in settings.portfolio if tier.api_key_env is not None]
    for tier in named:
        secret_of(f"portfolio.{tier.name}.api_key_env", tier.api_key_env, environ)
    return f"{len(named)} of {len(settings.portfolio)} tiers have one; it is set"


def _policy(settings: Settings) -> Iterator[Finding]:
    from routenlp import wiring
    from routenlp.gateway.live import served_tasks

    try:
        serving = wiring.serving_policy(settings)
    except RouteNlpError as exc:
        yield Finding("policy", "wrong", str(exc))
        return
    if serving is None:
        yield Finding("policy", "warning", "none: the top tier answers everything. Train one with `routenlp train`.")
        return
    yield Finding("policy", "ok", f"version {serving.policy.version[:12]}")
    for task in sorted(served_tasks(settings, serving.statuses).values(), key=lambda served: served.task):
        says = f"{task.status}: " + ("cheap tiers serve" if task.routed else f"{task.tiers[-1]} answers everything")
        yield Finding(f"task {task.task}", "ok" if task.routed else "warning", says)


def _audits(settings: Settings) -> Iterator[Finding]:
    if settings.store is not None and settings.content.store == "none":
        says = "nothing is audited, so nothing can be certified from live traffic: content.store is none. Use audits"
        yield Finding("audits", "warning", says)


def _gold(settings: Settings) -> Iterator[Finding]:
    """Where what the judge says calibrates nothing yet."""
    from routenlp.gateway.standing import gold_needed
    from routenlp.store.sql.database import locate, open_reader

    path = locate(settings.store.url) if settings.store is not None else None
    if settings.judge is None or path is None or not path.is_file():
        return
    connection = open_reader(path)
    try:
        needed = {task: gold_needed(connection, settings, task, time.time()) for task in sorted(settings.tasks)}
    finally:
        connection.close()
    for task, n in needed.items():
        if n:
            says = f"{n:,} labels by people are wanted (judge.gold) before what the judge says certifies anything"
            yield Finding(f"judge of {task}", "warning", f"{says}. `routenlp label serve` asks for them")


def _task_classifier(settings: Settings) -> Iterator[Finding]:
    from routenlp import wiring

    what = "task classifier"
    try:
        serving = wiring.serving_policy(settings)
        stored = wiring.task_classifier(settings, serving)
    except RouteNlpError as exc:
        yield Finding(what, "wrong", str(exc))
        return
    if stored is None:
        return
    sure = stored.classifier.sure_from
    when = "never sure, it only narrows walls" if sure is None else f"assigns from a confidence of {sure:.4f} on"
    yield Finding(what, "ok", f"knows {', '.join(stored.classifier.tasks)}; {when}")
    router = serving.encoder if serving is not None else None
    if router is not None and router.name != stored.encoder.name:
        says = "has another encoder than the router, so that queries are encoded twice. Train it with --router"
        yield Finding(what, "warning", says)


def _store(settings: Settings) -> str:
    from routenlp.store.sql.database import locate, open_reader
    from routenlp.store.sql.keys import list_keys

    if settings.store is None:
        if settings.gateway.auth == "keys":
            raise SettingsError(
                "gateway.auth", "is keys, and there is no store", "Give store.url, or write auth: none."
            )
        return "none: nothing is recorded"
    path = locate(settings.store.url)
    if not path.exists():
        return f"{path} will be made; then make a key with `routenlp keys create NAME`"
    connection = open_reader(path)
    try:
        usable = sum(key.revoked_s is None for key in list_keys(connection))
    finally:
        connection.close()
    return f"{path}, with {usable} keys in force"


def _listeners(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    given = settings.gateway
    local = given.host in ("127.0.0.1", "::1", "localhost")
    if given.auth == "none" and not local:
        yield Finding("gateway.auth", "warning", f"is none, and {given.host} can be reached from outside: use keys")
    if not environ.get(given.admin_key_env):
        says = f"{given.admin_key_env} is not set: the admin listener serves health only, no metrics"
        yield Finding("admin key", "warning", says)


async def _tiers(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    from routenlp.gateway.assemble import build_live, new_session

    async with new_session() as session:
        try:
            live = build_live(settings, environ, session)
        except RouteNlpError as exc:
            return [Finding("tiers", "wrong", str(exc))]
        last = list(live.tiers)[-1]
        return [await _tier(tier, last=name == last) for name, tier in live.tiers.items()]


async def _tier(tier: LiveTier, *, last: bool) -> Finding:
    """Asks one short question; a recording, which knows its own alone, is asked none."""
    from msgspec.structs import replace

    from routenlp.gateway.recorded_tier import RecordedTier
    from routenlp.gateway.request import parse
    from routenlp.gateway.student_tier import StudentTier

    what = f"tier {tier.tier.name}"
    if isinstance(tier, RecordedTier):
        return Finding(what, "ok", f"replays {len(tier):,} recorded answers, and is no model")
    task = tier.tasks[0] if isinstance(tier, StudentTier) else None
    question = replace(parse(_QUESTION), task=task)
    try:
        whole = await tier.whole(question, scored=True, limit_s=PATIENCE_S, last=True)
    except RouteNlpError as exc:
        return Finding(what, "wrong", str(exc))
    sure = whole.answer.token_probs is not None
    students = f"has students for {', '.join(tier.tasks)}; " if isinstance(tier, StudentTier) else ""
    says = f"{students}answered in {whole.answer.latency_s:.2f} s, {'with' if sure else 'without'} log-probabilities"
    return Finding(what, "ok" if sure or last else "warning", says)
