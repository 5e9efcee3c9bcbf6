"""Traces told in words: what was asked, who answered, how sure they were, what it cost, and whether it was right."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from routenlp.bench.six_tasks.run import Result
from routenlp.grading.metrics import metric
from routenlp.types import Example, Step, Task, Trace

_WIDTH = 96


def three_traces(result: Result) -> list[str]:
    """One query settled at its first tier, one that climbed and was settled below the top, one that reached the top.

    Of different tasks where there are. Where a run has none of a kind, another query takes its place; fewer than three
    queries give fewer stories.
    """
    top = result.prepared.frame.portfolio.top
    every = [trace for traces in result.traces.values() for trace in traces]
    kinds: tuple[Callable[[Trace], bool], ...] = (
        lambda t: t.answer.tier != top and len(t.steps) == 1,
        lambda t: t.answer.tier != top and len(t.steps) > 1,
        lambda t: t.answer.tier == top and len(t.steps) > 1,
    )
    chosen: list[Trace] = []
    for kind in kinds:
        told = {t.query.task for t in chosen}
        fresh = sorted((t for t in every if t not in chosen), key=lambda t: t.query.task in told)
        found = next((t for t in fresh if kind(t)), next(iter(fresh), None))
        if found is not None:
            chosen.append(found)
    return [_tell(i, t, result) for i, t in enumerate(chosen, 1)]


def _tell(number: int, trace: Trace, result: Result) -> str:
    example = result.examples[trace.query.id]
    task = result.prepared.frame.tasks[trace.query.task]
    top_cost = next(
        row[-1].cost_usd
        for row, query_id in zip(result.recorded[task.name].answers, result.recorded[task.name].ids, strict=True)
        if query_id == trace.query.id
    )
    lines = [f"{number}. {trace.query.task}: {_short(trace.query.text)}", f"   Router: {_expected(trace)}."]
    lines += [f"   {_step(step)}" for step in trace.steps]
    lines.append(
        f"   Returned the answer of {trace.answer.tier}: {trace.reason}. Cost {trace.cost_usd / top_cost:.2%} of "
        f"asking the top tier at once. {_verdict(trace, example, task)}"
    )
    return "\n".join(textwrap.fill(line, _WIDTH, subsequent_indent="   ") for line in lines)


def _expected(trace: Trace) -> str:
    estimates = trace.route.estimates
    if not estimates:
        return trace.route.reason
    return "expects quality " + ", ".join(f"{e.quality:.2f} of {e.tier}" for e in estimates)


def _step(step: Step) -> str:
    said = f"{step.answer.tier} answered {_short(step.answer.text)}"
    if step.score is None:
        return f"{said}."
    limit = "" if step.threshold is None else f" (threshold {step.threshold:.3f})"
    verdict = "accepted" if step.accepted else "escalated"
    return f"{said} with uncertainty {step.score:.3f}{limit}: {verdict}."


def _verdict(trace: Trace, example: Example, task: Task) -> str:
    quality = metric(task.metric).quality(trace.answer.text, example.reference)
    if task.metric == "accuracy":
        return "It was right." if quality == 1.0 else f"It was wrong: the label is {_short(example.reference)}."
    return f"Its {task.metric} against the reference is {quality:.2f}."


def _short(text: str, limit: int = 150) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= limit else flat[: limit - 1] + "…")
