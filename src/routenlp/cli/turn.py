"""`routenlp turn` and `routenlp distil`: plain words first, then tables."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routenlp import wiring
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json
from routenlp.cli.store_location import DEFAULT_FILE
from routenlp.errors import BackendError, SettingsError
from routenlp.loop.economics import BreakEven, Gain
from routenlp.replay.backtest.threads import one_thread
from routenlp.settings import Settings, load
from routenlp.store.sql.database import locate
from routenlp.training.distil.chat_lines import ExportDistiller, adopted
from routenlp.worker.turn import run
from routenlp.worker.turn.export import export_lessons
from routenlp.worker.turn.plan import TaskPlan, TurnPlan
from routenlp.worker.turn.run import Ended, Order
from routenlp.worker.turn.system import Encoders

if TYPE_CHECKING:
    from routenlp.types import Query


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be trained elsewhere."""

    tier: str
    base: str
    out: Path


def order_of(lessons: int, tasks: Sequence[str] | None) -> Order:
    """`tasks`: that may learn; none named: all."""
    return Order(lessons, tasks=frozenset(tasks) if tasks else None)


def plan(file: Path | None, environ: Mapping[str, str], order: Order, json_target: str | None) -> None:
    """Shows what a turn would do."""
    settings, store = _located(file, environ)
    stages = progress_on(sys.stderr).stage
    found = run.plan_only(settings, store, order, _encoders(settings), now_s=time.time(), stages=stages)
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *words(found, order.fewest), ""])
    show_tables(console, tables(found))
    if json_target is not None:
        write_json(found.as_json(), json_target)


def turn(file: Path | None, environ: Mapping[str, str], order: Order, json_target: str | None) -> None:
    """One turn. Exits with 1 where no candidate came of it."""
    settings, store = _located(file, environ)
    with one_thread():
        ended = run.run_turn(
            settings,
            store,
            order,
            _encoders(settings),
            now=time.time,
            ask=teacher(settings, environ),
            stages=progress_on(sys.stderr).stage,
        )
    console = open_console(stderr=json_target == "-")
    show_lines(console, ["", *outcome_words(ended)])
    if json_target is not None:
        write_json(asdict(ended), json_target)
    if ended.outcome != "shadow":
        sys.exit(1)


def export(file: Path | None, environ: Mapping[str, str], order: Order, what: Export) -> None:
    """Says where the lessons lie, and what to do with them."""
    settings, store = _located(file, environ)
    to = ExportDistiller(what.tier, what.base)
    stages, now_s = progress_on(sys.stderr).stage, time.time()
    (made,) = export_lessons(settings, store, order, _encoders(settings), to, what.out, now_s=now_s, stages=stages)
    show_lines(
        open_console(stderr=False),
        [
            f"{made.lessons:,} lessons for {what.base} lie in {made.folder / 'lessons.jsonl'}.",
            f"When a model was trained from them: routenlp distil adopt {made.folder} MODEL --out {what.out}",
        ],
    )


def adopt(folder: Path, model: str, out: Path) -> None:
    """Says the new version's name."""
    made = adopted(folder, model, out)
    show_lines(
        open_console(stderr=False),
        [
            f"{model} is {made.name}, a version of {made.tier} that learned {made.lessons:,} lessons.",
            f"Give the tier {made.tier} this model in routenlp.yaml, and prove it anew: its certificates are void.",
        ],
    )


def words(found: TurnPlan, fewest: int) -> list[str]:
    """The plan in plain sentences. `fewest`: lessons, under which a turn ends where it began."""
    failures = sum(task.failures for task in found.tasks)
    queries = sum(task.queries for task in found.tasks)
    said = [
        f"{queries:,} queries of {len(found.tasks)} tasks came in {found.days:.1f} days; {failures:,} of them failed: "
        "the top tier was asked, or a cheap answer was worse than its.",
    ]
    if found.lessons:
        said += [
            f"A turn would learn {found.lessons:,} of them. {_paid(found)}",
            f"It hopes to lower the cost ratio by {found.gain.estimate:.3f}, and by {found.gain.low:.3f} if luck is "
            f"poor. {_when(found.break_even, found.gain)}",
        ]
    said += found.left_as_they_are
    left = sum(task.left_out.redacted + task.left_out.unreadable for task in found.tasks)
    barred = sum(task.barred for task in found.tasks)
    if barred:
        said.append(f"{barred:,} failures resemble rows that judge the result: no lesson comes of them.")
    if left:
        said.append(f"{left:,} queries cannot be learned from: their text was redacted, or is none.")
    why_not = found.why_not(fewest)
    if why_not is not None:
        return [*said, why_not, "Nothing was spent, and `routenlp turn` would end there too."]
    return [*said, "Nothing was spent. `routenlp turn` does it."]


def tables(found: TurnPlan) -> list[Table]:
    """One a task whose failures were looked at."""
    return [_table(task) for task in found.tasks if task.clusters]


def outcome_words(ended: Ended) -> list[str]:
    """How the turn ended, and what comes next."""
    said = {
        "shadow": [
            f"Turn {ended.turn}: policy {ended.version} passed the gate and is in the shadow: it answers live queries "
            "beside the policy in force, and nobody gets these answers.",
            f"Next: let traffic come, then `routenlp policies promote {ended.version}`.",
        ],
        "rejected": [f"Turn {ended.turn}: policy {ended.version} was rejected at the gate. What serves is unchanged."],
    }
    first = said.get(ended.outcome, [f"Turn {ended.turn} ended with {ended.outcome}. What serves is unchanged."])
    return [*first, *(f"- {reason}" for reason in ended.reasons)]


def _paid(found: TurnPlan) -> str:
    if not found.outlay.lessons:
        return "The top tier has answered all of these already: they cost nothing more."
    return f"The top tier must be asked {found.outlay.lessons:,} times, for ${found.outlay.usd:,.2f}."


def _when(even: BreakEven, gain: Gain) -> str:
    if even.days is None:
        return "At that it never pays."
    cautious = "never" if even.cautious_days is None else f"after {even.cautious_days:.1f} days"
    return (
        f"That pays after {even.days:.1f} days; at the lower bound {cautious}."
        if gain.estimate
        else "It gains nothing."
    )


def _table(task: TaskPlan) -> Table:
    heads = ("cluster", "failures", "lessons", "gap", "learnable", "worth in 30 days", "such as")
    rows = tuple(
        (
            cluster.label,
            f"{cluster.size:,}",
            f"{cluster.lessons:,}" if cluster.dropped is None else f"none: {cluster.dropped}",
            f"{cluster.gap:.2f}",
            f"{cluster.learnable:.2f}",
            f"${cluster.value_usd:,.2f} (at least ${cluster.low_usd:,.2f})",
            cluster.exemplars[0] if cluster.exemplars else "",
        )
        for cluster in task.clusters
    )
    causes = ", ".join(f"{n:,} {cause}" for cause, n in task.causes.items())
    return Table(f"{task.task}: {task.failures:,} of {task.queries:,} queries failed ({causes})", heads, rows)


def _located(file: Path | None, environ: Mapping[str, str]) -> tuple[Settings, Path]:
    settings = load(file or DEFAULT_FILE, environ, default="")
    if settings.store is None:
        raise SettingsError("store.url", "is not given", "A turn learns from the record: add a store, and serve.")
    return settings, locate(settings.store.url)


def _encoders(settings: Settings) -> Encoders:
    encoder = wiring.minilm(settings, lambda line: print(f"{line} ...", file=sys.stderr))
    plain, rich = (wiring.cached(encoder.with_pooling(rich=r), settings) for r in (False, True))
    return Encoders(plain, rich)


def teacher(settings: Settings, environ: Mapping[str, str]) -> Callable[[Query], str | None]:
    """Asks the task's top tier as the gateway does; an error is no answer, and is told."""

    def ask(query: Query) -> str | None:
        try:
            return asyncio.run(_ask(settings, environ, query))
        except BackendError as exc:
            sys.stderr.write(f"{exc}\n")
            return None

    return ask


async def _ask(settings: Settings, environ: Mapping[str, str], query: Query) -> str | None:
    from msgspec.structs import replace

    from routenlp.gateway.assemble import new_session
    from routenlp.gateway.build_tiers import Means, live_tier
    from routenlp.gateway.request import parse
    from routenlp.training.distil.chat_lines import asked

    body: dict[str, Any] = {"model": "auto", "messages": asked(query)}
    if query.metadata:
        body["metadata"] = {**query.metadata, "query_id": query.id}
    async with new_session() as session:
        portfolio = wiring.portfolio(settings)
        at = portfolio.position(settings.top_of(query.task))
        top = live_tier(portfolio.tiers[at], settings.portfolio[at], Means(environ, session, {}))
        request = replace(parse(json.dumps(body).encode()), task=query.task)
        whole = await top.whole(request, scored=False, limit_s=None, last=True)
    return whole.answer.text
