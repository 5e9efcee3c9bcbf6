"""What the bench shows: the published table beside ours, every rule and rate at home and away, checks, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from routenlp.bench.calibration_size.measure import Figures
from routenlp.bench.calibration_size.published import PUBLISHED, PUBLISHED_SHIFT, SIZES, rows_behind
from routenlp.bench.calibration_size.rules import ALPHA, CERTIFYING, DELTA, PAPER
from routenlp.bench.calibration_size.run import SHIFTED_SIZE, Result
from routenlp.bench.calibration_size.words import percent
from routenlp.bench.frame import at_most
from routenlp.bench.guarantees.run import most_misses
from routenlp.bench.six_tasks.table import Table
from routenlp.replay.intervals import Interval

SECONDS_ALLOWED = 360.0
MEAN_SLACK = 0.003
"""How far a mean over 500 calibrations of 100 rows may lie over its expectation by chance: about three deviations."""

_RATES = (
    "P(escalated given correct)",
    "P(accepted and failed)",
    "P(failed given accepted)",
    "calibrations over target",
    "what the rule bounds, 5% to 95% of calibrations",
    "cost ratio",
    "ends at always-top",
    "says not given",
)


def tables(result: Result) -> list[Table]:
    """The published table first, then ours task by task, then shift."""
    tasks = list(result.rows)
    return [beside_the_published(result), *(of_task(result, task) for task in tasks), away(result)]


def beside_the_published(result: Result) -> Table:
    """Each published rate, how many rows its interval speaks of, and what the same rule did here, tier by tier."""
    rows = []
    for n in SIZES:
        ours = [f for f in result.same if f.n == n and f.rule == PAPER]
        cells = (" / ".join(percent(t) for t in f.tiers_escalated) for f in ours)
        rows.append((f"{n:,}", interval(PUBLISHED[n]), f"{rows_behind(PUBLISHED[n]):,}", *cells))
    heads = ("n", "published", "rows that such an interval has", *result.rows)
    title = (
        "Rule `paper` at alpha 0.05: the published rate, and here P(escalated | correct) of each cheap tier on all "
        "queries, mean over calibrations"
    )
    return Table(title, heads, tuple(rows))


def of_task(result: Result, task: str) -> Table:
    """Every rule and size on fresh rows of one task."""
    mine = [f for f in result.same if f.calibrated_on == task]
    rows = tuple((f.rule, f"{f.n:,}", *_cells(f)) for f in sorted(mine, key=lambda f: _place(f.rule)))
    return Table(f"{task}, on fresh rows of the same task", ("rule", "n", *_RATES), rows)


def away(result: Result) -> Table:
    """Every rule at one size, on rows that are not like those that it was calibrated on."""
    rows = tuple((f.calibrated_on, f.fresh, f.rule, *_cells(f)) for f in _by_place(result.shifted))
    title = f"Under shift: thresholds from {SHIFTED_SIZE} rows of one task, on other rows (published: 8.1%)"
    return Table(title, ("thresholds from", "tried on", "rule", *_RATES), rows)


def _by_place(shifted: Sequence[Figures]) -> list[Figures]:
    """All rules of one place side by side, places in the order in which they were tried."""
    places = list(dict.fromkeys((f.calibrated_on, f.fresh) for f in shifted))
    return sorted(shifted, key=lambda f: places.index((f.calibrated_on, f.fresh)))


def _cells(f: Figures) -> tuple[str, ...]:
    spread = "–" if f.risk_low is None or f.risk_high is None else f"{percent(f.risk_low)} to {percent(f.risk_high)}"
    rates = (f.escalated_given_correct, f.accepted_and_failed, f.failed_given_accepted, f.over_target)
    return (
        *(interval(rate) for rate in rates),
        spread,
        f"{f.cost_ratio:.3f}",
        f"{f.always_top:.1%}",
        f"{f.not_given:.1%}",
    )


def _place(rule: str) -> int:
    return [PAPER, *CERTIFYING].index(rule)


def interval(value: Interval) -> str:
    """`4.2% [2.5, 6.6]`; `–` where nothing is known."""
    if value.estimate is None or value.low is None or value.high is None:
        return "–"
    return f"{value.estimate:.1%} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def checks(result: Result, *, seconds: float) -> list[dict[str, object]]:
    """The promises of the four rules on exchangeable rows, and the time."""
    out = []
    for rule in CERTIFYING:
        mine = [f for f in result.same if f.rule == rule]
        allowed = most_misses(mine[0].draws, len(result.same), DELTA)
        worst = max(mine, key=lambda f: f.over)
        out.append(
            at_most(f"{rule}: calibrations over target, worst cell", worst.over / worst.draws, allowed / worst.draws)
        )
    means = [t for f in result.same if f.rule == PAPER for t in f.tiers_escalated]
    out.append(at_most("paper: mean P(escalated | correct) of a tier, worst cell", max(means), ALPHA + MEAN_SLACK))
    out.append(at_most("seconds", seconds, SECONDS_ALLOWED))
    return out


def rows(result: Result) -> Sequence[dict[str, object]]:
    """All figures, ready for `json.dumps`; the published ones among them."""
    theirs = [
        {"calibrated_on": "published", "fresh": "published", "rule": PAPER, "n": n, "violations": asdict(rate)}
        | {"rows_behind": rows_behind(rate)}
        for n, rate in PUBLISHED.items()
    ]
    shift = {"calibrated_on": "published", "fresh": "published shift", "rule": PAPER, "violations": PUBLISHED_SHIFT}
    return [*theirs, shift, *(asdict(f) for f in (*result.same, *result.shifted))]
