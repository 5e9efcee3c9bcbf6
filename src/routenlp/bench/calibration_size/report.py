"""What the bench says: the published table beside ours, every rule and rate, and what the published one must have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from routenlp.bench.calibration_size.answers import MEANS_THE_SAME, OTHER_DOMAIN
from routenlp.bench.calibration_size.measure import Figures
from routenlp.bench.calibration_size.published import PUBLISHED, PUBLISHED_SHIFT, SIZES, rows_behind
from routenlp.bench.calibration_size.rules import ALPHA, CERTIFYING, DELTA, PAPER
from routenlp.bench.calibration_size.run import SHIFTED_SIZE, Result
from routenlp.bench.frame import at_most
from routenlp.bench.guarantees.run import most_misses
from routenlp.bench.six_tasks.table import Table
from routenlp.replay.intervals import Interval

SECONDS_ALLOWED = 360.0
MEAN_SLACK = 0.003
"""How far a mean over 1,000 calibrations of 100 rows may lie over its expectation by chance: about four deviations."""

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
        "Rule `paper` at alpha 0.05: the published rate, and here P(escalated | correct) of each cheap tier on all of a "
        "task's queries"
    )
    return Table(title, heads, tuple(rows))


def of_task(result: Result, task: str) -> Table:
    """Every rule and size on fresh rows of one task."""
    mine = [f for f in result.same if f.calibrated_on == task]
    rows = tuple((f.rule, f"{f.n:,}", *_cells(f)) for f in sorted(mine, key=lambda f: _place(f.rule)))
    return Table(f"{task}, on fresh rows of the same task", ("rule", "n", *_RATES), rows)


def away(result: Result) -> Table:
    """Every rule at one size, on rows that are not like those that it was calibrated on."""
    rows = tuple((f.calibrated_on, f.fresh, f.rule, *_cells(f)) for f in result.shifted)
    title = f"Under shift: thresholds from {SHIFTED_SIZE} rows of one task, on other rows (published: 8.1%)"
    return Table(title, ("thresholds from", "tried on", "rule", *_RATES), rows)


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


def percent(value: float) -> str:
    """`4.2%`."""
    return f"{value:.1%}"


def interval(value: Interval) -> str:
    """`4.2% [2.5, 6.6]`; `–` where nothing is known."""
    if value.estimate is None or value.low is None or value.high is None:
        return "–"
    return f"{value.estimate:.1%} [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def which_rate_it_was(result: Result) -> str:
    """What the published rate can and cannot have been, in one paragraph."""
    behind = ", ".join(f"{rows_behind(PUBLISHED[n]):,}" for n in SIZES)
    paper = [f for f in result.same if f.rule == PAPER]
    means = [t for f in paper for t in f.tiers_escalated]
    small = [f for f in paper if f.n == SIZES[0]]
    seen = [f.over_target.estimate or 0.0 for f in paper]
    wrong = {f.calibrated_on: f.failed_given_accepted.estimate or 0.0 for f in paper if f.n == SIZES[-1]}
    low, high = min(f.risk_low or 0.0 for f in small), max(f.risk_high or 0.0 for f in small)
    return (
        "**Which rate the published one must have been, and what this corrects.** The rule bounds one thing: of a tier's "
        f"correct answers, the share escalated. Averaged over calibrations that is floor({ALPHA:g} (n0 + 1)) / (n0 + 1), so "
        f"at most 5% at *every* n, and a little nearer to 5% at large n (here {percent(min(means))} to {percent(max(means))}). "
        "A rate that falls from 7.2% to 3.9% as n grows is therefore not that average. The widths of the published "
        f"intervals are those of about {behind} tested rows: about as many as calibrated each time, not one large set of "
        "fresh rows. So each published rate is best read as P(escalated | correct) of *one* calibration (or a few) on a "
        f"test set of about its own size, which scatters widely: here, at n = {SIZES[0]}, 90% of calibrations lie between "
        f"{percent(low)} and {percent(high)} (worse tier). All four published intervals contain 5%, so that the published "
        "fall with n is within chance. Three corrections follow. Larger n does not lower the average, it narrows the "
        f"scatter: with this rule {percent(min(seen))} to {percent(max(seen))} of calibrations are over the target in at "
        "least one tier, at every n, because 5% is met on average and not with high probability. Second, "
        "the rate says nothing of wrong answers: at n = "
        f"{SIZES[-1]:,} the same thresholds gave P(failed | accepted) of "
        + ", ".join(f"{percent(rate)} on {task}" for task, rate in wrong.items())
        + ": whatever the tier's error rate is, not 5%. Third, a tier behind another one sees the harder queries, so that "
        "in the cascade P(escalated | correct) is higher than tier by tier. The rules `joint`, `conditional` and "
        f"`quality_ratio` bound what goes wrong, and miss in at most {DELTA:.0%} of calibrations. This reading is inferred "
        "from the numbers; the paper does not name the rate."
    )


def notes(result: Result, *, draws: int, seconds: float) -> list[str]:
    """What a reader must know to read the tables rightly."""
    rows = "; ".join(
        f"{task}: ladder of {result.steps[task]} policies from {train:,} training rows held out of their fit, "
        f"{pool:,} untrained rows, {test:,} test rows"
        for task, (train, pool, test) in result.rows.items()
    )
    same = ", ".join(f"{theirs} = {ours}" for theirs, ours in MEANS_THE_SAME.items())
    return [
        f"Each row: {draws:,} calibrations, each on n rows drawn with replacement from the task's calibrate and gate "
        "folds, which no fit saw. The three rates are means over calibrations, on the rows that each did not draw; "
        "Wilson's 95% intervals for one calibration's fresh rows. Rows are drawn singly, so that they are exchangeable "
        "by design, also where they come from one contract or document.",
        "Over target: the rule's own quantity, on all rows that are drawn from, which is the truth here (under shift: on "
        "all rows tried on). `paper`: P(escalated | correct) of any tier, over all queries, above 0.05. `joint`: P(accepted "
        "and failed) above 0.05. `conditional`: P(failed | accepted) above its alpha. `quality_ratio`: quality ratio under "
        f"0.97. The last three at delta {DELTA:g}: up to {DELTA:.0%} over target is what they promise.",
        "P(escalated given correct) counts the answers that a cheap tier gave within the cascade; rates leave out "
        "calibrations that end at always-top, which have none. Always-top is also how the three rules say that they found "
        "no proof; `paper` says not given when a tier has under 19 correct calibration answers.",
        "Two cheap tiers (n-grams, then MiniLM) before human labels, which never fail; every query begins at the "
        f"cheapest. {rows}.",
        "Shift: a task's own test split (other contracts, documents, companies); the thresholds on another task's queries, "
        f"answered by that task's students; and cs_intent's students and thresholds on {OTHER_DOMAIN} queries. There every "
        f"cheap answer counts as failed but where an intent means the same ({same}).",
        f"The paper gives {PUBLISHED_SHIFT:.1%} under shift, without saying which.",
        f"Took {seconds:.0f} s.",
    ]


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
