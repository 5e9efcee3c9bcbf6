"""What the queries that went through the gateway cost, beside what the top tier alone would have cost, and how good
their answers were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from routenlp.backends.counted import counted
from routenlp.bench.demo.traffic import Exchange
from routenlp.bench.six_tasks.table import TIMING, Table
from routenlp.grading.metrics import metric
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay.intervals import quantile_interval
from routenlp.types import Example, Prediction, Task, Trace

ALL = "all"


@dataclass(frozen=True, slots=True)
class Saved:
    """Queries of one task, or of all."""

    task: str
    queries: int
    answered: Mapping[str, int]
    """By tier."""
    errors: int
    cost_usd: float
    top_cost_usd: float
    """Of the top tier's answers to the same queries, which are on record."""
    quality: float
    """Sum over queries; an error has 0."""
    top_quality: float
    p50_s: float
    """As the client saw it."""

    @property
    def cost_ratio(self) -> float:
        """Of what the top tier alone would have cost."""
        return self.cost_usd / self.top_cost_usd

    @property
    def quality_ratio(self) -> float:
        """Of the quality that the top tier alone would have given."""
        return self.quality / self.top_quality


def measure(exchanges: Sequence[Exchange], portfolio: Portfolio, tasks: Mapping[str, Task]) -> list[Saved]:
    """A row a task in the order of `tasks`, then one of all. `exchanges`: at least one of each task."""
    top = portfolio.tiers[-1]
    by_task = {name: [x for x in exchanges if x.example.query.task == name] for name in tasks}
    grades = {name: metric(task.metric).quality for name, task in tasks.items()}
    rows = [_saved(name, its, portfolio.names, top, grades) for name, its in by_task.items()]
    return [*rows, _saved(ALL, exchanges, portfolio.names, top, grades)]


def _saved(
    name: str,
    exchanges: Sequence[Exchange],
    tiers: Sequence[str],
    top: Tier,
    grades: Mapping[str, Callable[[str, str], float]],
) -> Saved:
    def grade(example: Example, text: str | None) -> float:
        return 0.0 if text is None else grades[example.query.task](text, example.reference)

    return Saved(
        name,
        len(exchanges),
        {tier: sum(x.text is not None and x.tier == tier for x in exchanges) for tier in tiers},
        sum(x.text is None for x in exchanges),
        sum(x.cost_usd for x in exchanges),
        sum(top_cost_usd(x.example, top) for x in exchanges),
        sum(grade(x.example, x.text) for x in exchanges),
        sum(grade(x.example, x.example.reference) for x in exchanges),
        quantile_interval([x.seconds for x in exchanges], 0.5).estimate or 0.0,
    )


def top_cost_usd(example: Example, top: Tier) -> float:
    """Of the recorded answer."""
    return counted(top, example.query, Prediction(example.reference, None), 0.0).cost_usd


def words(rows: Sequence[Saved], *, generated: bool) -> list[str]:
    """The result in plain sentences."""
    *tasks, every = rows
    kind = "held-out generated queries" if generated else "held-out queries"
    cost = sum(row.cost_ratio for row in tasks) / len(tasks)
    quality = sum(row.quality_ratio for row in tasks) / len(tasks)
    said = [
        f"{every.queries:,} {kind} of {len(tasks)} tasks went through the gateway, over HTTP, with the official OpenAI "
        f"client. They cost ${every.cost_usd:,.2f} in place of the ${every.top_cost_usd:,.2f} that the top tier alone "
        f"costs, and kept {every.quality_ratio:.1%} of its quality.",
        f"With every task counted the same, that is {cost:.1%} of the cost and {quality:.1%} of the quality.",
    ]
    if every.errors:
        said.append(f"{every.errors:,} of them were answered with an error, and count as quality 0.")
    return said


def table(rows: Sequence[Saved]) -> Table:
    """A row a task, and one of all."""
    tiers = list(rows[0].answered)
    heads = ("task", "queries", f"answered by {' / '.join(tiers)}", "cost", "top tier alone")
    more = ("cost ratio", "quality kept", f"p50 ms over HTTP {TIMING}")
    return Table("What went through the gateway", (*heads, *more), tuple(map(_row, rows)))


def _row(row: Saved) -> tuple[str, ...]:
    shares = " / ".join(f"{n / row.queries:.0%}" for n in row.answered.values())
    money = (f"${row.cost_usd:,.2f}", f"${row.top_cost_usd:,.2f}")
    ratios = (f"{row.cost_ratio:.3f}", f"{row.quality_ratio:.3f}")
    return (row.task, f"{row.queries:,}", shares, *money, *ratios, f"{row.p50_s * 1e3:.1f}")


def differing(exchanges: Sequence[Exchange], traces: Mapping[str, Trace]) -> list[Exchange]:
    """Those that the same policy answers otherwise, or by other tiers, where it is replayed. `traces`: by query id."""
    return [x for x in exchanges if _differs(x, traces[x.example.query.id])]


def _differs(exchange: Exchange, trace: Trace) -> bool:
    return (exchange.text, exchange.tiers) != (trace.answer.text, trace.tiers)
