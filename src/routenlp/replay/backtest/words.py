"""A backtest in plain words, for somebody who pays the bill."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target
from routenlp.replay.intervals import Interval

if TYPE_CHECKING:
    from routenlp.replay.backtest.result import Backtest

NOTHING_SAVED = 0.9995
"""A cost ratio from here on prints as 1.000."""
PROMISES: Mapping[str, tuple[str, str]] = {
    "quality_ratio": ("keeping at least {keep:.0%} of its quality", "to keep at least {keep:.0%} of its quality"),
    "joint": (
        "with at most {alpha:.0%} of all queries answered cheaply and wrongly",
        "to answer at most {alpha:.0%} of all queries cheaply and wrongly",
    ),
    "conditional": (
        "with at most {alpha:.0%} of the cheap answers wrong",
        "to have at most {alpha:.0%} of the cheap answers wrong",
    ),
    "paper": (
        "sending on at most {alpha:.0%} of the correct cheap answers",
        "to send on at most {alpha:.0%} of the correct cheap answers",
    ),
}
"""As what was done, and as what was to be proved."""


def headline(found: Backtest) -> list[str]:
    """What would have been paid, what was promised, how sure that is, and what it would take to pay less."""
    first = _nothing_cheaper(found) if saves_nothing(found) else _paid(found)
    lines = [first, *_without_a_proof(found), _labels(found)]
    if found.recording.cost_kind == "estimated":
        lines.append("Prices are ESTIMATES from list prices, not what was billed.")
    return lines


def saves_nothing(found: Backtest) -> bool:
    """Whether what would be deployed costs as much as the top tier."""
    cost = found.overall.cost_ratio.estimate
    return cost is not None and cost >= NOTHING_SAVED


def markdown(found: Backtest) -> str:
    """The same as Markdown, with the systems as a table."""
    shown = [s for s in found.systems if s.cost_ratio.estimate is not None]
    cells = [
        (s.name, share(s.cost_ratio), share(s.quality_ratio), missing(s.share_of_repeats_missing_target)) for s in shown
    ]
    rows = [f"| {' | '.join(row)} |" for row in cells]
    head = ["| system | cost ratio | quality ratio | splits missing the target |", "| --- | --- | --- | --- |"]
    return "\n\n".join(headline(found)) + "\n\n" + "\n".join([*head, *rows])


def target_in_words(target: Target) -> str:
    """What every system of the table is tuned to."""
    return PROMISES[target.walked][1].format(keep=1 - target.eps, alpha=target.alpha)


def missing(value: float | None) -> str:
    """A share of repeats."""
    return "–" if value is None else f"{value:.0%}"


def share(value: Interval) -> str:
    """`31.2% [29.0%, 33.1%]`."""
    if value.estimate is None:
        return "an unknown share"
    if value.low is None or value.high is None:
        return f"{value.estimate:.1%}"
    return f"{value.estimate:.1%} [{value.low:.1%}, {value.high:.1%}]"


def _paid(found: Backtest) -> str:
    target, top = found.target, found.recording.tiers[-1]
    cost = found.overall.cost_ratio.estimate
    paid = "an unknown share" if cost is None else f"{cost:.0%}"
    promise = PROMISES[target.guarantee][0].format(keep=1 - target.eps, alpha=target.alpha)
    return (
        f"You would have paid {paid} of always-{top}, {promise}, {_sureness(found)}. On "
        f"{found.recording.folds['test']:,} test queries it cost {share(found.overall.cost_ratio)} and kept "
        f"{share(found.overall.quality_ratio)} of the quality."
    )


def _nothing_cheaper(found: Backtest) -> str:
    target, top = found.target, found.recording.tiers[-1]
    wanted = PROMISES[target.guarantee][1].format(keep=1 - target.eps, alpha=target.alpha)
    sure = "" if target.guarantee == "paper" else f" with {1 - target.delta:.0%} confidence"
    return (
        f"You would have saved nothing: no policy cheaper than always-{top} could be proved {wanted}{sure} on "
        f"{found.recording.folds['calibrate']:,} calibration queries, so {top} would serve."
    )


def _sureness(found: Backtest) -> str:
    if found.target.guarantee == "paper":
        seen = "on average over calibrations" if found.status == Status.CERTIFIED else "which is not proved here"
        return f"{seen}; how many of the accepted answers are wrong it does not bound"
    confidence = f"{1 - found.target.delta:.0%} confidence"
    if found.status == Status.CERTIFIED:
        return f"with {confidence}"
    if found.status == Status.ASYMPTOTIC:
        return f"with about {confidence} (a normal approximation)"
    return "which was seen and is not proved"


def _without_a_proof(found: Backtest) -> list[str]:
    """What a weaker proof, and none at all, would have paid."""
    rule = found.guarantees[found.target.walked]
    lines = []
    if rule.asymptotic.status == Status.ASYMPTOTIC and found.target.guarantee != "paper":
        cost = share(rule.asymptotic_test.cost_ratio)
        lines.append(f"By a normal approximation in place of the exact proof: {cost} of the cost.")
    tuned = found.system("routenlp uncertified")
    line = f"Tuned on the calibration queries without any proof: {share(tuned.cost_ratio)} of the cost"
    if found.repeats > 1:
        line += f" over {found.repeats} splits, missing the target in {missing(tuned.share_of_repeats_missing_target)}"
    return [*lines, f"{line}."]


def _labels(found: Backtest) -> str:
    if found.labels_still_needed is None:
        return "No number of labels would prove anything cheaper: on the calibration queries nothing holds the target."
    if found.labels_still_needed == 0:
        return "To prove the tuned point, about as many graded queries as these suffice."
    return f"To prove the tuned point, about {about(found.labels_still_needed)} more graded queries are needed."


def about(n: int) -> str:
    """With two digits, for a number that is no surer than that: `260,000` for 261,158."""
    return f"{round(n, 2 - len(str(n))):,}"
