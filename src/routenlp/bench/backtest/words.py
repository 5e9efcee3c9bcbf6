"""A backtest in plain words, for somebody who pays the bill."""

from __future__ import annotations

from collections.abc import Mapping

from routenlp.conformal.verdict import Status, Verdict
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.result import Backtest
from routenlp.replay.intervals import Interval

PROMISES: Mapping[str, str] = {
    "quality_ratio": "keeping at least {keep:.0%} of its quality",
    "joint": "with at most {alpha:.0%} of all queries answered cheaply and wrongly",
    "conditional": "with at most {alpha:.0%} of the cheaply answered queries wrong",
    "paper": "escalating at most {alpha:.0%} of the correct cheap answers on average",
}


def headline(found: Backtest) -> list[str]:
    """What would have been paid, what was promised, and how sure that is."""
    top, target = found.recording.tiers[-1], found.target
    cost = _percent(found.overall.cost_ratio.estimate)
    lines = [f"You would have paid {cost} of always-{top}, {_promise(target)}, {_sureness(found.status, target)}"]
    seen = found.overall.quality_ratio
    lines.append(f"On {found.recording.folds['test']:,} test queries it kept {_range(seen)} of the quality of {top}.")
    if found.status == Status.UNCERTIFIED:
        lines.append("Nothing cheaper could be proved on these calibration queries, so the top tier would serve.")
    uncertified = next((s for s in found.systems if s.name == "routenlp uncertified"), None)
    if uncertified is not None and uncertified.share_of_repeats_missing_target is not None:
        lines.append(
            f"Without a proof, tuned to {1 - target.eps:.0%} on the calibration queries: "
            f"{_range(uncertified.cost_ratio)} of the cost, and the target missed in "
            f"{uncertified.share_of_repeats_missing_target:.0%} of the splits."
        )
    lines.append(labels(found))
    if found.recording.cost_kind == "estimated":
        lines.append("Prices are ESTIMATES from list prices, not what was billed.")
    return lines


def labels(found: Backtest) -> str:
    """How many more graded queries it would take."""
    if found.labels_still_needed is None:
        return "No number of labels would prove the uncertified point: on these queries it does not hold the target."
    if found.labels_still_needed == 0:
        return "The calibration queries suffice to prove the uncertified point."
    return f"Proving the uncertified point would take about {found.labels_still_needed:,} more graded queries."


def verdict(v: Verdict) -> str:
    """A verdict in a line."""
    return f"{v.status.upper()}: {v.reason}"


def _promise(target: Target) -> str:
    return PROMISES[target.guarantee].format(keep=1 - target.eps, alpha=target.alpha)


def _sureness(status: str, target: Target) -> str:
    if status == Status.CERTIFIED:
        return f"with {1 - target.delta:.0%} confidence."
    if status == Status.ASYMPTOTIC:
        return f"with about {1 - target.delta:.0%} confidence (a normal approximation)."
    return "which is what was seen and not proved."


def _range(value: Interval) -> str:
    if value.estimate is None:
        return "an unknown share"
    if value.low is None or value.high is None:
        return f"{value.estimate:.1%}"
    return f"{value.estimate:.1%} [{value.low:.1%}, {value.high:.1%}]"


def _percent(value: float | None) -> str:
    return "an unknown share" if value is None else f"{value:.0%}"
