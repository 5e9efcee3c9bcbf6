"""From p-values to a verdict: what the rules have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from routenlp.conformal.groups import Units
from routenlp.conformal.verdict import Found, Method, Verdict, in_words, status_of
from routenlp.conformal.walk import walk
from routenlp.types import FloatArray


@dataclass(frozen=True, slots=True)
class Test:
    """What was tested: a rule at its target, on these units, by this method."""

    __test__ = False

    rule: str
    target: float
    delta: float
    units: Units
    method: Method
    start: int = 1
    least: float | None = None
    """Units without which a policy without a loss or gain cannot pass; None where there is no telling."""


def conclude(test: Test, p_values: FloatArray, always_top: Found, found: Callable[[int], Found]) -> Verdict:
    """Walk the policies. `found(g)` measures the selected policy; `always_top` is what holds of g = 0."""
    selected = walk(p_values, test.delta, test.start)
    status, but = status_of(test.method, test.units, selected)
    what = found(selected) if selected else always_top
    if not selected:
        but = _too_few(test)
    return Verdict(
        rule=test.rule,
        target=test.target,
        delta=test.delta,
        selected=selected,
        tested_from=test.start,
        p_values=tuple(float(p) for p in p_values),
        estimate=what.estimate,
        bound=what.bound,
        n=len(test.units.rows),
        groups=test.units.count,
        design_effect=what.design_effect,
        method=test.method,
        status=status,
        reason=f"{in_words(p_values, test.delta, test.start, selected)}{but}.",
    )


def _too_few(test: Test) -> str:
    """In words, where there are too few units for any policy to pass."""
    if test.least is None or test.units.count >= test.least:
        return ""
    if math.isinf(test.least):
        return "; no number of labels would let a policy without a gain pass, the top tier having no quality"
    noun = "groups" if test.units.grouped else "labels"
    return f"; a policy without a single loss or gain cannot pass under {math.ceil(test.least)} {noun}"
