"""What a rule says of a list of policies: which one may serve, with what proof."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from routenlp.conformal.asymptotic import MIN_UNITS
from routenlp.conformal.groups import MIN_GROUPS, Units
from routenlp.types import FloatArray


class Status(StrEnum):
    """How good the proof is, best first."""

    CERTIFIED = "certified"
    """Holds for every sample size and every distribution of the exchangeable units."""
    ASYMPTOTIC = "asymptotic"
    """Holds as the number of units grows; at any finite number it is an approximation."""
    EMPIRICAL = "empirical"
    """What was seen on the calibration rows; nothing is proved."""
    UNCERTIFIED = "uncertified"
    """The target was not reached: the top tier serves."""

    def at_least(self, weakest: Status) -> bool:
        """Whether this status is as good as `weakest`, or better."""
        order = list(Status)
        return order.index(self) <= order.index(weakest)


class Method(StrEnum):
    """How p-values were computed."""

    EXACT_BINOMIAL = "exact binomial"
    BETTING = "betting"
    NORMAL = "normal"
    ORDER_STATISTIC = "order statistic"
    POINT = "point estimate"
    """Nothing was tested: of EMPIRICAL alone."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule's verdict over the ordered policies g = 1 .. G of one task."""

    rule: str
    target: float
    """alpha of `joint`, `conditional` and `paper`, eps of `quality_ratio`."""
    delta: float
    """The allowed chance, over calibration draws, that the deployed policy misses its target."""
    selected: int
    """The policy to deploy; 0 is always-top."""
    tested_from: int
    """The first policy of the walk."""
    p_values: tuple[float, ...]
    """Of the policies g = 1 .. G; a policy passes at p <= delta. Those before `tested_from` are not tested."""
    estimate: float | None
    """Of the selected policy, in the rule's own quantity (a ratio or a risk); None where it is undefined."""
    bound: float | None
    """One-sided confidence bound at 1 - delta of the same quantity, as if the selected policy had been the only one
    looked at. What is proved over the whole walk is the target."""
    n: int
    """Calibration rows that the test used."""
    groups: int
    """Exchangeable units that they make; n where every row stands for itself."""
    design_effect: float | None
    """Variance of the tested mean over what it were with independent rows; None where rows are not grouped."""
    method: Method
    status: Status
    reason: str
    """In words."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule knows of the policy that its walk selected."""

    estimate: float | None
    bound: float | None
    design_effect: float | None


def status_of(method: Method, units: Units, selected: int) -> tuple[Status, str]:
    """The status that a walk which ended at `selected` earns, and what held it down, in words."""
    if selected == 0:
        return Status.UNCERTIFIED, ""
    if units.grouped and units.count < MIN_GROUPS:
        return Status.EMPIRICAL, f", but {units.count} groups are too few to prove anything (at least {MIN_GROUPS})"
    if method is not Method.NORMAL:
        return Status.CERTIFIED, ""
    if units.count < MIN_UNITS:
        return Status.EMPIRICAL, f", but the normal approximation needs {MIN_UNITS} units and there are {units.count}"
    return Status.ASYMPTOTIC, ", by an approximation that is exact only in the limit"


def in_words(p_values: FloatArray, delta: float, start: int, selected: int) -> str:
    """How the walk went."""
    policies = len(p_values)
    if start > policies:
        return f"No policy to test: the walk begins at {start}, and there are {policies}"
    if selected == 0:
        return f"Policy {start}, the first to be tested, did not pass: p = {p_values[start - 1]:.3g}, over {delta:g}"
    if selected == policies:
        return f"All policies from {start} to {policies} passed at {delta:g}"
    return (
        f"Policies {start} to {selected} of {policies} passed at {delta:g}; the next had p = {p_values[selected]:.3g}"
    )
