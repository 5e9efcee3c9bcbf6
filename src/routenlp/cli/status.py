"""`routenlp status`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from routenlp.bench.six_tasks.table import Table
from routenlp.cli import alarms
from routenlp.cli.promises import as_json, promise_tables, promises, worker_words
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.errors import SettingsError
from routenlp.settings import Settings
from routenlp.store.sql import monitoring
from routenlp.store.sql.audits import AuditCount, audit_counts
from routenlp.store.sql.database import mapped, open_reader
from routenlp.store.sql.money import day_of
from routenlp.store.sql.reader import Standing, TierShare, read_standing

HOUR_S = 3600.0


def run(store: Path, hours: float, json_target: str | None, settings: Settings | None = None) -> None:
    """Plain words, then tables. `settings`: what is promised of each task is told where they are known."""
    if not 0.0 < hours <= 1e6:
        raise SettingsError("--hours", f"is {hours}", "Give a number of hours over 0.")
    since_s = time.time() - hours * HOUR_S
    connection = open_reader(store)
    with mapped(store):
        standing = read_standing(connection, since_s, day_of(since_s))
        counts = audit_counts(connection, since_s)
        told = promises(connection, settings, time.time()) if settings is not None else []
        paused = worker_words(connection)
        opened = list(monitoring.open_alarms(connection).values())
    connection.close()
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(standing, hours), *paused, *(alarms.words(opened) if opened else []), ""])
    show_tables(console, [*tables(standing), *audit_table(counts), *promise_tables(told)])
    if json_target is not None:
        more = {
            "audits": [asdict(count) for count in counts],
            "promises": as_json(told),
            "alarms": list(map(asdict, opened)),
        }
        write_json({"hours": hours, **asdict(standing), **more}, json_target)


def words(standing: Standing, hours: float) -> list[str]:
    """What matters first."""
    requests = sum(share.requests for share in standing.shares)
    if not requests and not standing.dropped:
        return [f"No request in the last {hours:g} hours."]
    ok, cost = (sum(getattr(s, of) for s in standing.shares) for of in ("ok", "cost_usd"))
    escalated = sum(share.escalated for share in standing.shares)
    lines = [
        f"In the last {hours:g} hours {requests:,} requests, {ok:,} of them answered; "
        f"{escalated:,} asked more than one tier. Cost ${cost:.4f}."
    ]
    if saved := _saved(standing.shares):
        lines.append(saved)
    if standing.dropped:
        lines.append(
            f"{standing.dropped:,} records could not be stored, {standing.dropped_audits:,} of them audits: "
            "all figures here lack them."
        )
    return lines


def tables(standing: Standing) -> list[Table]:
    """By task and tier; certificates; money by key; feedback."""
    found = []
    if standing.shares:
        heads = ("task", "answered by", "requests", "answered", "escalated", "audited", "cost")
        found.append(Table("Requests", heads, tuple(map(_share, standing.shares))))
        tasks = tuple((t.task, t.status, t.policy[:12]) for t in standing.tasks)
        found.append(Table("At each task's last request", ("task", "status", "policy"), tasks))
    if standing.spend:
        rows = tuple((s.key_id or "no key", f"{s.charges:,}", f"${s.usd:.4f}") for s in standing.spend)
        found.append(Table("Charged, in whole days of UTC", ("key", "charges", "amount"), rows))
    if standing.feedback:
        found.append(Table("Feedback", ("kind", "number"), tuple((kind, f"{n:,}") for kind, n in standing.feedback)))
    return found


def audit_table(counts: list[AuditCount]) -> list[Table]:
    """What became of the audits that were drawn; none where none were."""
    rows = tuple((count.task, count.state, count.reason, f"{count.audits:,}") for count in counts)
    return [Table("Audits", ("task", "state", "why", "audits"), rows)] if rows else []


def _saved(shares: tuple[TierShare, ...]) -> str | None:
    """Over the requests for which both costs are known, and no others."""
    known = [(s.compared_cost_usd, s.top_cost_usd) for s in shares]
    pairs = [(cost, top) for cost, top in known if cost is not None and top is not None]
    cost, top = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    if not top:
        return None
    return (
        f"Where it is known, routing cost ${cost:.4f} and the top tier alone would have cost about ${top:.4f}: "
        f"{cost / top:.3f} of it. An estimate, from the tokens of the answers that were returned."
    )


def _share(share: TierShare) -> tuple[str, ...]:
    counts = (share.requests, share.ok, share.escalated, share.audited)
    return (share.task, share.tier or "nobody", *(f"{n:,}" for n in counts), f"${share.cost_usd:.4f}")
