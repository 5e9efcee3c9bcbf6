"""What the bench found, as tables and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from routenlp.bench.datasets.recordings import ENDPOINT
from routenlp.bench.six_tasks.table import Table
from routenlp.bench.streaming.measure import TARGET, Measured
from routenlp.bench.streaming.run import MOST_EXTRA_COST, MOST_FIRST_TOKEN, Found

HEADS = (
    "mode",
    "time to first token, median s",
    "of buffered",
    "bill, of always-top",
    "bill over buffered",
    "quality ratio",
    "committed",
    "cancelled",
    "top tier answers",
    "always-top",
    "over target",
)


def tables(found: Sequence[Found]) -> list[Table]:
    """One a source."""
    return [Table(_title(one), HEADS, tuple(_cells(row, one.chosen) for row in one.rows)) for one in found]


def words(found: Sequence[Found]) -> list[str]:
    """What the tables hold."""
    draws = found[0].rows[0].draws if found else 0
    return [
        f"{draws:,} calibrations a mode, each on units drawn with replacement from all rows of its source; what its "
        f"policy truly does is the mean over all of them. Certified at delta {TARGET.delta:g}, by betting, in the mode "
        "and whole at once.",
        "*over target* is the share of calibrations whose policy truly misses it, *always-top* the share that proved "
        "nothing. Figures are means over calibrations; time to first token is the median over queries.",
        f"**Bold**: the commit point that a rehearsal on training rows chose: the cheapest with a time to first token "
        f"of at most {MOST_FIRST_TOKEN:g} of buffered there and a bill of at most {MOST_EXTRA_COST:.0%} more, else the "
        "one that is nearest to both.",
        "Times are a model's: reading and writing at a speed, and the top tier's whole latency where a query goes "
        "there, drawn from a log-normal (median 0.8 s, p99 1.847 s).",
        *([] if not found or found[0].simulated else [_speeds()]),
    ]


def _speeds() -> str:
    return (
        "*As measured* is the cheap tier on one processor thread, as the recording has it; *an endpoint's speed* is "
        f"assumed: {ENDPOINT.fixed_s:g} s, {1.0 / ENDPOINT.read_s:,.0f} tokens a second read and "
        f"{1.0 / ENDPOINT.written_s:g} written."
    )


def as_json(found: Sequence[Found]) -> list[dict[str, object]]:
    """A row each mode and source."""
    return [
        {
            **asdict(row),
            "eps": one.target.eps,
            "useful": one.useful,
            "simulated": one.simulated,
            "chosen": row.mode == one.chosen,
        }
        for one in found
        for row in one.rows
    ]


def _title(found: Found) -> str:
    first = found.rows[0]
    units = "" if first.units == first.rows else f" in {first.units:,} groups"
    kind = "a simulated world" if found.simulated else "recorded"
    target = f"quality ratio {1.0 - found.target.eps:g}"
    return f"{found.source}, {target} ({kind}; {first.rows:,} rows{units}, {first.labels:,} a calibration)"


def _cells(row: Measured, chosen: str) -> tuple[str, ...]:
    name = f"**{row.mode}**" if row.mode == chosen else row.mode
    return (
        name,
        f"{row.first_token_s:.2f}",
        f"{row.first_token_ratio:.2f}",
        f"{row.cost_ratio:.3f}",
        f"{row.extra_cost:+.1%}",
        f"{row.quality_ratio:.3f}",
        f"{row.committed:.0%}",
        f"{row.cancelled:.0%}",
        f"{row.escalated:.0%}",
        f"{row.always_top:.0%}",
        f"{row.misses / row.draws:.1%}",
    )
