"""Three queries told from the record: what was asked, who answered, how sure they were, what it cost, was it right."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from routenlp.bench.demo.savings import top_cost_usd
from routenlp.bench.demo.traffic import Exchange
from routenlp.errors import MissingData
from routenlp.grading.metrics import metric
from routenlp.portfolio.tiers import Portfolio
from routenlp.store.sql.database import open_reader
from routenlp.store.sql.reader import StoredTrace, read_trace
from routenlp.types import Task

_WIDTH = 96


def choose(exchanges: Sequence[Exchange], top: str) -> list[Exchange]:
    """One query settled at its first tier, one that climbed and was settled below the top, one that reached the top.

    Of different tasks where there are. Where there is none of a kind, another query takes its place; fewer than three
    queries give fewer stories.
    """
    every = [x for x in exchanges if x.text is not None]
    kinds: tuple[Callable[[Exchange], bool], ...] = (
        lambda x: x.tier != top and len(x.tiers) == 1,
        lambda x: x.tier != top and len(x.tiers) > 1,
        lambda x: x.tier == top and len(x.tiers) > 1,
    )
    chosen: list[Exchange] = []
    for kind in kinds:
        told = {x.example.query.task for x in chosen}
        fresh = sorted((x for x in every if x not in chosen), key=lambda x: x.example.query.task in told)
        found = next((x for x in fresh if kind(x)), next(iter(fresh), None))
        if found is not None:
            chosen.append(found)
    return chosen


def tell(exchanges: Sequence[Exchange], store: Path, portfolio: Portfolio, tasks: Mapping[str, Task]) -> list[str]:
    """A story each. Raises `MissingData` where the record lacks one of them."""
    connection = open_reader(store)
    try:
        traces = [read_trace(connection, x.trace_id) for x in exchanges]
    finally:
        connection.close()
    stories = []
    for number, (exchange, trace) in enumerate(zip(exchanges, traces, strict=True), 1):
        if trace is None:
            raise MissingData(str(store), f"has no trace {exchange.trace_id}", "Run the demo again.")
        lines = _lines(number, exchange, trace, portfolio, tasks[trace.task])
        stories.append("\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="   ") for line in lines))
    return stories


def _lines(number: int, exchange: Exchange, trace: StoredTrace, portfolio: Portfolio, task: Task) -> list[str]:
    detail, said = trace.detail, (trace.content or {}).get("answers", {})
    top_usd = top_cost_usd(exchange.example, portfolio.tiers[-1])
    return [
        f"{number}. {trace.task}: {_short(exchange.example.query.text)}",
        f"   Router: {_expected(detail)}",
        *(f"   {_step(step, said.get(step['tier'], ''))}" for step in detail["steps"]),
        f"   Returned the answer of {trace.tier}: {detail['reason']}. It cost ${trace.cost_usd:.5f}, and the top tier "
        f"alone would have cost ${top_usd:.5f}. {_verdict(exchange, task)}",
        f"   Trace {trace.id}",
    ]


def _expected(detail: Mapping[str, Any]) -> str:
    expected = ", ".join(f"{quality:.2f} of {tier}" for tier, quality in detail["estimates"].items())
    return f"expects quality {expected}." if expected else f"{detail['route_reason']}."


def _step(step: Mapping[str, Any], said: str) -> str:
    if step["error"]:
        return f"{step['tier']} gave no answer ({step['error']})."
    answered = f"{step['tier']} answered {_short(said)}"
    if step["score"] is None:
        return f"{answered}."
    limit = "" if step["threshold"] is None else f" (threshold {step['threshold']:.3f})"
    verdict = "accepted" if step["accepted"] else "escalated"
    return f"{answered} with uncertainty {step['score']:.3f}{limit}: {verdict}."


def _verdict(exchange: Exchange, task: Task) -> str:
    reference = exchange.example.reference
    quality = metric(task.metric).quality(exchange.text or "", reference)
    if task.metric == "accuracy":
        return "It was right." if quality == 1.0 else f"It was wrong: the label is {_short(reference)}."
    return f"Its {task.metric} against the reference is {quality:.2f}."


def _short(text: str, limit: int = 150) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= limit else flat[: limit - 1] + "…")
