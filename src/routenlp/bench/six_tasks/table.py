"""The bench's tables: which columns there are, as text cells, and as Markdown. The terminal draws the same cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from routenlp.bench.six_tasks.measures import Measures
from routenlp.replay.intervals import Interval

TIMING = "†"
"""Marks a column of one machine's timings, which no two runs share."""


@dataclass(frozen=True, slots=True)
class Table:
    """A title, the heads of its columns, and its cells row by row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """As a Markdown table under its title in bold."""
        lines = ["| " + " | ".join(self.heads) + " |", "|" + " --- |" * len(self.heads)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        return f"**{self.title}**\n\n" + "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head and the cell that it makes of a row's measures."""

    head: str
    cell: Callable[[Measures], str]


def interval(value: Interval, digits: int = 3) -> str:
    """`0.971 [0.962, 0.979]`; `–` where nothing is known, no brackets where only the bounds are not."""
    if value.estimate is None:
        return "–"
    if value.low is None or value.high is None:
        return f"{value.estimate:.{digits}f} [no interval]"
    return f"{value.estimate:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def milliseconds(value: Interval) -> str:
    """A latency in ms, with its interval."""
    if value.estimate is None:
        return "–"
    low, high = ("?" if b is None else _ms(b) for b in (value.low, value.high))
    return f"{_ms(value.estimate)} [{low}, {high}]"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f}" if seconds < 0.01 else f"{seconds * 1e3:.0f}"


def _shares(m: Measures) -> str:
    return " / ".join("–" if s.estimate is None else f"{s.estimate:.0%}" for s in m.tier_shares.values())


def _corpus(m: Measures) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in sorted(m.corpus.items())) or "–"


QUALITY = (
    Column("quality", lambda m: interval(m.quality)),
    Column("over all answers", _corpus),
    Column("quality ratio", lambda m: interval(m.quality_ratio)),
    Column("cost ratio", lambda m: interval(m.cost_ratio)),
    Column("answered by each tier", _shares),
)
ERRORS = (
    Column("escalated", lambda m: interval(m.escalated)),
    Column("P(escalated given correct)", lambda m: interval(m.p_escalated_given_correct)),
    Column("P(accepted and failed)", lambda m: interval(m.p_accepted_and_failed)),
    Column("P(failed given accepted)", lambda m: interval(m.p_failed_given_accepted)),
    Column(f"p50 ms {TIMING}", lambda m: milliseconds(m.latency_p50_s)),
    Column(f"p99 ms {TIMING}", lambda m: milliseconds(m.latency_p99_s)),
    Column(f"SLA missed {TIMING}", lambda m: interval(m.sla_missed)),
)


def by_task(title: str, measures: Sequence[Measures], columns: Sequence[Column]) -> Table:
    """A row a task."""
    rows = tuple((_name(m), *(c.cell(m) for c in columns)) for m in measures)
    return Table(title, ("task", *(c.head for c in columns)), rows)


def by_system(title: str, measures: Sequence[Measures], columns: Sequence[Column]) -> Table:
    """A row a system."""
    rows = tuple((m.system, *(c.cell(m) for c in columns)) for m in measures)
    return Table(title, ("system", *(c.head for c in columns)), rows)


def overall(title: str, systems: Sequence[str], columns: Mapping[str, Mapping[str, Interval]]) -> Table:
    """A row a system; `columns`: by head, then system."""
    rows = tuple((system, *(interval(column[system]) for column in columns.values())) for system in systems)
    return Table(title, ("system", *columns), rows)


def _name(m: Measures) -> str:
    groups = "" if m.groups == m.n else f" in {m.groups:,} groups"
    return f"{m.task} ({m.n:,} rows{groups})"
