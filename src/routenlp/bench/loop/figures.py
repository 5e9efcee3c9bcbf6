"""From points to figures with intervals: means over tasks and seeds, pairs of arms, and how soon each arm arrives.

Draws are of two levels: seeds (which tenth of the rows came first), and groups of test rows. Within a task all arms
share the draws, so what they have in common cancels in their difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.bench.loop.arms import NONE, RANDOM
from routenlp.bench.loop.course import ALL_ROWS, Point
from routenlp.loop.economics import should_stop
from routenlp.replay.intervals import Interval, RatioDraws, holm, over_tasks
from routenlp.types import FloatArray

DRAWS = 2_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Place:
    """An arm after a round."""

    arm: str
    round: int

    @property
    def name(self) -> str:
        """As the draws are keyed by."""
        return f"{self.arm} @{self.round}"


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of the table: means over tasks and seeds."""

    place: Place
    lessons: float
    """A task, on average."""
    cost_ratio: Interval
    quality_ratio: Interval
    tier_shares: tuple[float, ...]
    escalated: float
    over_random: Interval | None
    """Cost ratio minus random's of the same round; None for random itself and where there is none."""
    p_value: float | None
    """That the two cost the same, by the same draws, after Holm over the arms of the round."""
    surely_worth: float | None
    """Share of tasks and seeds in which the gate rows' lower bound of the gain reached the stopping rule's 0.005."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How soon an arm costs no more than random does at the end."""

    arm: str
    lessons: float | None
    """A task, at the first round that does; None: not within the rounds."""
    of_random: float | None
    """The same over random's lessons."""
    on_the_line: float | None
    """The same share, read off the straight line from the round before: between measurements, so a guess."""
    gain_over_random: float | None
    """(first tiers' cost - arm's) / (first tiers' cost - random's), at the last round. The paper has 2.3."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Everything that the tables, the plot and the checks are made of."""

    points: tuple[Point, ...]
    tasks: tuple[str, ...]
    standings: tuple[Standing, ...]
    by_task: Mapping[str, tuple[Standing, ...]]
    arrivals: tuple[Arrival, ...]


def figures(points: Sequence[Point], groups: Mapping[str, Sequence[str]], *, seed: int) -> Figures:
    """`groups`: by task, those of the test rows."""
    tasks = tuple(dict.fromkeys(p.task for p in points))
    cost, quality = {}, {}
    for task in tasks:
        own = [p for p in points if p.task == task]
        cost[task] = _draw(
            {k: (np.stack([p.cost_usd for p in v]), v[0].top_cost_usd) for k, v in _by_place(own).items()},
            groups[task],
            seed,
        )
        ones = np.ones(len(groups[task]))
        quality[task] = _draw(
            {k: (np.stack([p.quality for p in v]), ones) for k, v in _by_place(own).items()}, groups[task], seed
        )
    overall = _standings(points, over_tasks(list(cost.values())), over_tasks(list(quality.values())))
    each = {t: _standings([p for p in points if p.task == t], cost[t], quality[t]) for t in tasks}
    return Figures(tuple(points), tasks, overall, each, _arrivals(overall))


def _by_place(points: Sequence[Point]) -> dict[Place, list[Point]]:
    out: dict[Place, list[Point]] = {}
    for point in points:
        out.setdefault(Place(point.arm, point.round), []).append(point)
    return out


def _draw(rows: Mapping[Place, tuple[FloatArray, FloatArray]], groups: Sequence[str], seed: int) -> RatioDraws:
    """By place: numerators (seeds, n) and denominators (n,); the ratio of sums, averaged over seeds."""
    member = np.unique(np.array(groups), return_inverse=True)[1]
    count = int(member.max()) + 1
    rng = np.random.default_rng([seed, len(groups), count])
    of_groups = _multinomial(rng, count)
    estimates: dict[str, float | None] = {}
    draws: dict[str, FloatArray] = {}
    seed_draws = {n: _multinomial(rng, n) / n for n in sorted({len(v[0]) for v in rows.values()})}
    for place, (numerators, denominators) in rows.items():
        sums = np.stack([np.bincount(member, row, count) for row in numerators])
        below = of_groups @ np.bincount(member, denominators, count)
        above = ((of_groups @ sums.T) * seed_draws[len(numerators)]).sum(axis=1)
        estimates[place.name] = float(numerators.sum() / len(numerators) / denominators.sum())
        draws[place.name] = above / below
    return RatioDraws(estimates, draws, CONFIDENCE)


def _multinomial(rng: np.random.Generator, count: int) -> FloatArray:
    """How often each of `count` was drawn, shape (draws, count)."""
    picks = rng.integers(0, count, size=(DRAWS, count)) + np.arange(DRAWS)[:, None] * count
    return np.bincount(picks.ravel(), minlength=DRAWS * count).reshape(DRAWS, count).astype(np.float64)


def _standings(points: Sequence[Point], cost: RatioDraws, quality: RatioDraws) -> tuple[Standing, ...]:
    places = _by_place(points)
    tested = _p_values(places, cost)
    return tuple(
        Standing(
            place,
            float(_over_tasks(of_place, lambda p: p.lessons)),
            cost.interval(place.name),
            quality.interval(place.name),
            tuple(float(s) for s in _over_tasks(of_place, lambda p: p.tier_shares)),
            float(_over_tasks(of_place, lambda p: p.escalated)),
            cost.difference(place.name, Place(RANDOM, place.round).name) if place in tested else None,
            tested.get(place),
            _surely(of_place),
        )
        for place, of_place in places.items()
    )


def _over_tasks(points: Sequence[Point], value: Callable[[Point], float | tuple[float, ...]]) -> FloatArray:
    """The mean over tasks of each one's mean over seeds, of which a task may have more than another."""
    tasks = dict.fromkeys(p.task for p in points)
    return np.asarray(np.mean([np.mean([value(p) for p in points if p.task == t], axis=0) for t in tasks], axis=0))


def _surely(points: Sequence[Point]) -> float | None:
    gains = [p.gain for p in points if p.gain is not None]
    return float(np.mean([not should_stop(gain) for gain in gains])) if gains else None


def _p_values(places: Mapping[Place, object], cost: RatioDraws) -> dict[Place, float]:
    """Two-sided, from the draws of the difference; Holm over the arms of a round."""
    out: dict[Place, float] = {}
    for number in sorted({place.round for place in places}):
        random = Place(RANDOM, number)
        others = [p for p in places if p.round == number and p.arm not in (NONE, RANDOM, ALL_ROWS)]
        if random not in places:
            continue
        raw = {p.arm: _two_sided(cost.draws[p.name] - cost.draws[random.name]) for p in others}
        out.update({Place(arm, number): value for arm, value in holm(raw).items()})
    return out


def _two_sided(draws: FloatArray) -> float:
    below = (1.0 + float((draws <= 0.0).sum())) / (len(draws) + 1.0)
    above = (1.0 + float((draws >= 0.0).sum())) / (len(draws) + 1.0)
    return min(1.0, 2.0 * min(below, above))


def _arrivals(standings: Sequence[Standing]) -> tuple[Arrival, ...]:
    by_arm: dict[str, list[Standing]] = {}
    for standing in standings:
        by_arm.setdefault(standing.place.arm, []).append(standing)
    first = by_arm[NONE][0]
    if RANDOM not in by_arm:
        return ()
    goal = max(by_arm[RANDOM], key=lambda s: s.place.round)
    return tuple(_arrival(arm, of_arm, first, goal) for arm, of_arm in by_arm.items() if arm not in (NONE, ALL_ROWS))


def _arrival(arm: str, standings: Sequence[Standing], first: Standing, goal: Standing) -> Arrival:
    start, aim = _estimate(first), _estimate(goal)
    reached = [s for s in standings if _estimate(s) <= aim]
    soonest = min(reached, key=lambda s: s.place.round) if reached else None
    last = max(standings, key=lambda s: s.place.round)
    return Arrival(
        arm,
        None if soonest is None else soonest.lessons,
        None if soonest is None else soonest.lessons / goal.lessons,
        None if soonest is None else _crossing([first, *standings], soonest, aim) / goal.lessons,
        (start - _estimate(last)) / (start - aim) if start > aim else None,
    )


def _crossing(standings: Sequence[Standing], soonest: Standing, aim: float) -> float:
    """Lessons at which the line from the standing before `soonest` to it comes down to `aim`."""
    before = standings[standings.index(soonest) - 1]
    fall = _estimate(before) - _estimate(soonest)
    share = (_estimate(before) - aim) / fall if fall > 0.0 else 1.0
    return before.lessons + share * (soonest.lessons - before.lessons)


def _estimate(standing: Standing) -> float:
    value = standing.cost_ratio.estimate
    assert value is not None, "the top tier costs something"
    return value
