"""What audits that are missing could change: the worst that a figure could be, were every one of them a failure.

A query that could not be run again or graded is not like the others: what breaks an audit may break an answer. Nothing
is assumed of it, so a figure over graded audits is widened by the share that is missing (Manski's bounds, one side).
"""

from __future__ import annotations

from routenlp.conformal.rates import Rate, rate
from routenlp.errors import DataError


def worst_case(rule: str, value: float, share: float, *, top: float, cheap: float) -> float:
    """`value`, an estimate or bound in the rule's own quantity, over all audits instead of the graded ones.

    `share` of all audits is missing. Under `quality_ratio` their top answers count as 1 and the returned ones as 0;
    under the others a cheap tier answered each, and failed. `top`: mean quality of the top tier's answers on graded
    audits; `cheap`: share of them that a cheap tier answered (read by `conditional` alone). All in [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise DataError("missing share", f"is {share}", "It is a share of all audits: in [0, 1].")
    known = 1.0 - share
    if rule == "quality_ratio":
        over = top * known + share
        return value * top * known / over if over > 0.0 else 0.0
    of = cheap if rule == "conditional" else 1.0
    accepted = of * known + share
    return (value * of * known + share) / accepted if accepted > 0.0 else 1.0


def rate_beside_missing(count: int, of: int, missing: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of a share of failures, widened to hold whatever the `missing` rows are: at best none of them
    failed, at worst all of them."""
    best: Rate = rate(count, of + missing, confidence)
    return best.low, rate(count + missing, of + missing, confidence).high
