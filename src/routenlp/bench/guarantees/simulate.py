"""One rule over many calibration draws of one world, and which policy each draw would deploy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.guarantees.worlds import GROUP_ROWS, World
from routenlp.conformal.asymptotic import normal_p_values
from routenlp.conformal.betting import Bounded, p_values
from routenlp.conformal.binomial import lower_tail
from routenlp.conformal.conditional import most_testable
from routenlp.conformal.first_testable import first_testable
from routenlp.conformal.groups import Units
from routenlp.types import FloatArray

Ints = NDArray[np.int64]

ALPHA_JOINT = 0.05
ALPHA_CONDITIONAL = 0.10
EPS = 0.03

PValues = Callable[[World, int, Ints, float], FloatArray]
"""p(world, g, units, delta): one p-value a draw, for policy g; `units` are the units drawn, (draws, units a draw)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as the simulation needs it."""

    p_values: PValues
    missed: Callable[[World], NDArray[np.bool_]]
    """Which of the policies 0 .. G truly miss the target."""
    start: Callable[[World, int, float], int] = lambda *_: 1
    """The first policy to test, from the training sample: given how many units will be drawn, and delta."""


def selected(world: World, rule: Rule, *, n: int, draws: int, delta: float, seed: int) -> Ints:
    """The policy that each of `draws` calibrations on some n rows deploys; shape (draws,).

    Where rows are grouped, as many groups are drawn as have n rows on average. The walk is `conformal.walk`, run for
    all draws at once and only for those that still pass.
    """
    units = drawn_units(world, n=n, draws=draws, seed=seed)
    deployed = np.zeros(draws, dtype=np.int64)
    alive = np.arange(draws)
    for g in range(rule.start(world, units.shape[1], delta), len(world.policies.routed) + 1):
        alive = alive[rule.p_values(world, g, units[alive], delta) <= delta]
        if len(alive) == 0:
            break
        deployed[alive] = g
    return deployed


def drawn_units(world: World, *, n: int, draws: int, seed: int) -> Ints:
    """Units drawn with replacement, shape (draws, units a draw)."""
    count, rows = len(world.rows.starts), world.rows.quality.shape[1]
    return np.random.default_rng(seed).integers(count, size=(draws, max(1, round(n * count / rows))))


def _grouped(world: World) -> bool:
    return len(world.rows.starts) < len(world.top)


def _bounded(world: World, z: FloatArray, low: float, high: float, units: Ints) -> Bounded:
    largest = GROUP_ROWS if _grouped(world) else 1
    sums = np.add.reduceat(z, world.rows.starts)
    return Bounded(sums[units], low * largest, high * largest)


def _bet(sample: Bounded, delta: float) -> FloatArray:
    return p_values(sample, np.arange(sample.z.shape[-1]), delta)


def _ratio_sample(world: World, g: int, units: Ints) -> Bounded:
    return _bounded(world, (1.0 - EPS) * world.top - world.policies.routed[g - 1], -1.0, 1.0, units)


def _testable_ratio(world: World, units: int, delta: float) -> int:
    starts, rows = world.training.starts, world.training.quality.shape[1]
    every = np.arange(rows)
    seen = Units(every, starts, np.arange(len(starts)), GROUP_ROWS if _grouped(world) else 1, rows)
    routed, top = world.trained.routed, world.training.quality[-1]
    return first_testable(routed, top, eps=EPS, delta=delta, units=seen, tested_units=units)


def _testable_conditional(world: World, _units: int, _delta: float) -> int:
    return most_testable(world.trained.cheap, world.trained.lost, alpha=ALPHA_CONDITIONAL)


def _joint(world: World, g: int, units: Ints, delta: float) -> FloatArray:
    lost = world.policies.lost[g - 1]
    if _grouped(world):
        return _bet(_bounded(world, lost - ALPHA_JOINT, -ALPHA_JOINT, 1.0 - ALPHA_JOINT, units), delta)
    return lower_tail(lost[units].sum(axis=1), units.shape[1], ALPHA_JOINT)


def _conditional(world: World, g: int, units: Ints, delta: float) -> FloatArray:
    lost, cheap, alpha = world.policies.lost[g - 1], world.policies.cheap[g - 1], ALPHA_CONDITIONAL
    if _grouped(world):
        return _bet(_bounded(world, lost - alpha * cheap, -alpha, 1.0 - alpha, units), delta)
    return lower_tail(lost[units].sum(axis=1), cheap[units].sum(axis=1), alpha)


def _quality_ratio(world: World, g: int, units: Ints, delta: float) -> FloatArray:
    return _bet(_ratio_sample(world, g, units), delta)


def _asymptotic_ratio(world: World, g: int, units: Ints, _delta: float) -> FloatArray:
    return normal_p_values(_ratio_sample(world, g, units))


def _oracle_z(world: World, z: FloatArray, units: Ints) -> FloatArray:
    """A z-test that knows the true variance."""
    sums = np.add.reduceat(z, world.rows.starts)
    statistic = sums[units].mean(axis=1) * np.sqrt(units.shape[1]) / max(float(sums.std()), 1e-12)
    return np.asarray(np.vectorize(NormalDist().cdf, otypes=[np.float64])(statistic), dtype=np.float64)


def _oracle_ratio(world: World, g: int, units: Ints, _delta: float) -> FloatArray:
    return _oracle_z(world, (1.0 - EPS) * world.top - world.policies.routed[g - 1], units)


def _oracle_joint(world: World, g: int, units: Ints, _delta: float) -> FloatArray:
    return _oracle_z(world, world.policies.lost[g - 1] - ALPHA_JOINT, units)


def _misses_ratio(world: World) -> NDArray[np.bool_]:
    return world.ratios < 1.0 - EPS - 1e-12


def _misses_joint(world: World) -> NDArray[np.bool_]:
    return world.joint_risks > ALPHA_JOINT + 1e-12


def _misses_conditional(world: World) -> NDArray[np.bool_]:
    return world.conditional_risks > ALPHA_CONDITIONAL + 1e-12


CERTIFYING: Mapping[str, Rule] = {
    "joint": Rule(_joint, _misses_joint),
    "conditional": Rule(_conditional, _misses_conditional, _testable_conditional),
    "quality_ratio": Rule(_quality_ratio, _misses_ratio, _testable_ratio),
}
"""The rules with a promise at every n."""
ASYMPTOTIC = Rule(_asymptotic_ratio, _misses_ratio, _testable_ratio)
ORACLES: Mapping[str, Rule] = {
    "joint": Rule(_oracle_joint, _misses_joint),
    "quality_ratio": Rule(_oracle_ratio, _misses_ratio),
}
"""z-tests that know the true variance: what no rule can beat by much."""
