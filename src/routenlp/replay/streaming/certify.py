"""One proof for a policy in every mode that it may be asked in: as a stream, with its commit rules, and whole.

A client chooses per request whether it wants a stream. So policy g passes only where it passes in both modes: its
p-value is the larger of the two, which is a valid one for "the target is missed in one of them" (intersection-union
test, Berger 1982), and the walk goes on as ever. Whatever mix of modes comes then holds the target, as far as which
mode is asked for does not depend on the query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.conformal.first_testable import first_testable
from routenlp.conformal.groups import Units, group_units, row_units, rows_to_take
from routenlp.conformal.joint import joint
from routenlp.conformal.quality_ratio import quality_ratio
from routenlp.conformal.verdict import Verdict
from routenlp.errors import SettingsError
from routenlp.replay.backtest.certify import Replays, Target
from routenlp.replay.streaming.ladder import Mode, as_replays, buffered, ladder, play_all
from routenlp.replay.streaming.play import Rung
from routenlp.replay.streaming.rows import Ints, Streams

Walk = Callable[[int], Verdict]
"""Along the first so many policies, always-top not counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Proved:
    """What a calibration found."""

    verdict: Verdict
    """Of the mode with the weaker bound."""
    rung: Rung
    """The policy to deploy."""


def certify_streams(
    train: Streams, calibrate: Streams, mode: Mode, target: Target, *, seed: int, asymptotic: bool = False
) -> Proved:
    """The boldest policy of the ladder that is proved in `mode` and whole, for a `target` walked by `quality_ratio` or
    `joint`; always-top where none is. Raises `SettingsError` for another rule.
    """
    rungs = ladder(train, mode)
    in_training, units = units_of(train.groups, train.groups, seed), units_of(train.groups, calibrate.groups, seed)
    both = (rungs, buffered(rungs))
    rehearsed = [as_replays(play_all(train, each), train) for each in both]
    seen = [as_replays(play_all(calibrate, each), calibrate) for each in both]
    start = first_step(rehearsed, target, in_training, units)
    verdict = in_all(seen, target, units, start, asymptotic=asymptotic)
    return Proved(verdict, rungs[verdict.selected])


def in_all(modes: Sequence[Replays], target: Target, units: Units, start: int, *, asymptotic: bool = False) -> Verdict:
    """The walk along policies that pass in every mode, the same policies of which are played in each of `modes`."""
    walks = [in_mode(mode, target, units, start, asymptotic=asymptotic) for mode in modes]
    return in_every(walks, len(modes[0].quality) - 1)


def in_mode(replays: Replays, target: Target, units: Units, start: int, *, asymptotic: bool = False) -> Walk:
    """The walk of one mode."""
    return lambda policies: _walk(_first(replays, policies), target, units, start, asymptotic=asymptotic)


def in_every(walks: Sequence[Walk], policies: int) -> Verdict:
    """The same of walks, one of each mode, that begin at one place; `policies`: how many there are."""
    shortest = min((walk(policies) for walk in walks), key=lambda verdict: verdict.selected)
    if shortest.selected == 0:
        return shortest
    return _weakest([walk(shortest.selected) for walk in walks])


def first_step(rehearsed: Sequence[Replays], target: Target, trained: Units, tested: Units, share: float = 1.0) -> int:
    """Where the walk begins, as training rows say: where every mode is as good as sure to pass.

    `share`: of the tested units, that are graded by those who are believed.
    """
    count = int(tested.count * share)
    if target.walked != "quality_ratio":
        return 1
    return max(
        first_testable(
            mode.quality[1:], mode.top, eps=target.eps, delta=target.delta, units=trained, tested_units=count
        )
        for mode in rehearsed
    )


def numbered(groups: Sequence[str]) -> Ints:
    """Each row's group as a number, in the order in which groups come."""
    number: dict[str, int] = {}
    return np.array([number.setdefault(name, len(number)) for name in groups], dtype=np.int64)


def units_of(training_groups: Ints, groups: Ints, seed: int) -> Units:
    """Rows as units where none share a group, else groups; how many rows a group gives is taken from training."""
    names = [str(group) for group in groups.tolist()]
    if len(set(names)) == len(names):
        return row_units(len(names), seed=seed)
    return group_units(names, seed=seed, rows_a_group=rows_to_take([str(g) for g in training_groups.tolist()]))


def _walk(replays: Replays, target: Target, units: Units, start: int, *, asymptotic: bool) -> Verdict:
    if target.walked == "quality_ratio":
        return quality_ratio(
            replays.quality[1:],
            replays.top,
            eps=target.eps,
            delta=target.delta,
            units=units,
            asymptotic=asymptotic,
            start=start,
        )
    if target.walked == "joint":
        failed = replays.quality[1:] < target.handled_at
        lost = np.asarray(replays.cheap[1:] & failed, dtype=np.float64)
        return joint(lost, alpha=target.alpha, delta=target.delta, units=units, asymptotic=asymptotic)
    raise SettingsError("guarantee", f"is {target.guarantee}", "Streams are certified by quality_ratio or joint.")


def _first(replays: Replays, policies: int) -> Replays:
    kept = slice(0, policies + 1)
    return Replays(
        replays.quality[kept], replays.cost_usd[kept], replays.cheap[kept], replays.top, replays.top_cost_usd
    )


def _weakest(passed: Sequence[Verdict]) -> Verdict:
    """A ratio is bounded from below, a risk from above."""
    if passed[0].rule == "quality_ratio":
        return min(passed, key=lambda verdict: -1.0 if verdict.bound is None else verdict.bound)
    return max(passed, key=lambda verdict: 2.0 if verdict.bound is None else verdict.bound)
