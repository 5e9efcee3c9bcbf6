"""The ladder that a task's policies were walked along, kept with the policy: recalibration walks the same one again.

A rung is all that two policies of a ladder differ in: a `Utility` of the continuation rule, or one limit for every
cheap tier of a threshold cascade. Estimates, router and scorer stay, so nothing is trained. What was kept beside the
rungs is how each fared on the training rows, which chooses where a walk begins, and keys of the training texts, so that
no audit of one of them calibrates.

A policy without a kept ladder gets the same fixed one each time: prices, or limits, that no row has chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.committing import Committing, committed
from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import ALWAYS_TOP, Utility
from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.conformal.groups import group_units, row_units, rows_to_take
from routenlp.contracts import StopRule
from routenlp.replay.backtest.certify import Rehearsal, Replays
from routenlp.replay.backtest.ladder import FEWEST_PRICES, ContinuationLadder, without_options
from routenlp.replay.backtest.rehearsal import rehearse
from routenlp.replay.backtest.rows import Rows
from routenlp.router.nested import joined, part_of
from routenlp.types import Parts

Rung = Utility | float | None
"""None: a threshold cascade that accepts nothing."""
LIMITS = tuple(float(limit) for limit in np.round(np.geomspace(0.005, 1.0, 24), 4))
PART = "ladder"
"""Its name among a policy's parts, or artefacts."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptLadder:
    """One task's. Matrices are (policies, training rows), policy 0 is always-top."""

    utilities: tuple[Utility, ...]
    quality: NDArray[np.float32]
    """Of what each policy returned on training rows, from estimates that had not seen them."""
    cheap: NDArray[np.bool_]
    cost_usd: NDArray[np.float32]
    top: NDArray[np.float32]
    """Quality of the top tier's answers, shape (n,)."""
    groups: NDArray[np.int64]
    """Of each training row, shape (n,)."""
    trained_on: NDArray[np.uint64]
    """`text_key` of every text that a fit saw."""

    KIND: ClassVar[str] = "replay/ladder"

    def rehearsal(self, *, seed: int) -> Rehearsal:
        """As walks take it."""
        names = [str(group) for group in self.groups.tolist()]
        grouped = len(set(names)) < len(names)
        units = (
            group_units(names, seed=seed, rows_a_group=rows_to_take(names))
            if grouped
            else row_units(len(names), seed=seed)
        )
        quality, cost, top = (np.asarray(a, dtype=np.float64) for a in (self.quality, self.cost_usd, self.top))
        return Rehearsal(Replays(quality, cost, self.cheap, top, cost[0]), units)

    @property
    def rows_a_group(self) -> int:
        """How many rows of a group a test takes, as training says."""
        return rows_to_take([str(group) for group in self.groups.tolist()])

    def parts(self) -> Parts:
        """For storage."""
        arrays: dict[str, NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        for at, utility in enumerate(self.utilities):
            arrays |= {f"utility{at}.{name}": array for name, array in utility.parts().arrays.items()}
        return Parts(self.KIND, arrays, {"policies": len(self.utilities)})

    @classmethod
    def from_parts(cls, parts: Parts) -> KeptLadder:
        """The inverse of `parts`; raises `KeyError` where an array is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        utilities = tuple(_utility(parts, at) for at in range(int(meta["policies"])))
        arrays: list[Any] = [parts.arrays[name] for name in _ARRAYS]
        return cls(utilities, *arrays)


_ARRAYS = ("quality", "cheap", "cost_usd", "top", "groups", "trained_on")


def keep(
    ladder: ContinuationLadder, train: Rows, seen: Mapping[str, Iterable[str]], *, seed: int
) -> dict[str, KeptLadder]:
    """By task of `train`. `seen`: by task, every text that a fit saw."""
    replays = rehearse(ladder, train, seed=seed).replays
    out = {}
    for at, task in enumerate(train.task_names):
        rows = train.task == at
        mine = replays.rows(rows)
        out[task] = KeptLadder(
            ladder.utilities,
            mine.quality.astype(np.float32),
            mine.cheap,
            mine.cost_usd.astype(np.float32),
            mine.top.astype(np.float32),
            train.groups[rows],
            np.unique(np.array([text_key(text) for text in seen[task]], dtype=np.uint64)),
        )
    return out


def as_part(ladders: Mapping[str, KeptLadder]) -> Parts:
    """All tasks' in one."""
    tasks = sorted(ladders)
    return joined("replay/ladders", {"tasks": tasks}, {f"of{i}": ladders[t].parts() for i, t in enumerate(tasks)})


def from_part(parts: Parts) -> dict[str, KeptLadder]:
    """The inverse of `as_part`."""
    meta = cast("Mapping[str, Any]", parts.meta)
    return {task: KeptLadder.from_parts(part_of(parts, f"of{i}")) for i, task in enumerate(meta["tasks"])}


def text_key(text: str) -> int:
    """Of a query's text, without the white space around it. Says nothing of it to who has not the text."""
    return int.from_bytes(hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).digest()[:8])


def fresh(texts: Iterable[str], ladder: KeptLadder | None) -> NDArray[np.bool_]:
    """Which of these no fit saw, as far as the ladder knows."""
    keys = np.array([text_key(text) for text in texts], dtype=np.uint64)
    return np.ones(len(keys), dtype=np.bool_) if ladder is None else ~np.isin(keys, ladder.trained_on)


def rungs_of(rule: StopRule, task: str, kept: KeptLadder | None) -> tuple[Rung, ...] | None:
    """From always-top on, in order of rising boldness; None for a rule that has no ladder, or nothing for `task`."""
    if isinstance(rule, FirstByRouter | Committing):
        return rungs_of(rule.rule, task, kept)
    if isinstance(rule, RulePerTask):
        return rungs_of(rule.rules[task], task, kept) if task in rule.rules else None
    if isinstance(rule, ThresholdCascade):
        return (None, *LIMITS)
    if not isinstance(rule, ContinuationRule) or task not in rule.tasks:
        return None
    if kept is not None:
        return kept.utilities
    limits = rule.of_task.get(task, rule.utility).deadlines
    return (ALWAYS_TOP, *(replace(without_options(float(price)), deadlines=limits) for price in FEWEST_PRICES))


def at_rung(rule: StopRule, task: str, rung: Rung) -> StopRule:
    """The same rule with `task` at `rung`, other tasks as they were.

    A commit rule of the task is left out: it was not proved with this rung, and its streams are buffered then.
    """
    if isinstance(rule, Committing):
        left = rule.without(task)
        inner = at_rung(rule.rule, task, rung)
        return replace(left, rule=inner) if isinstance(left, Committing) else inner
    if isinstance(rule, FirstByRouter):
        return FirstByRouter(at_rung(rule.rule, task, rung))
    if isinstance(rule, RulePerTask):
        return RulePerTask({**rule.rules, task: at_rung(rule.rules[task], task, rung)}, rule.top)
    if isinstance(rule, ContinuationRule):
        assert isinstance(rung, Utility), "a continuation rule's rungs are utilities"
        return replace(rule, of_task={**rule.of_task, task: rung})
    assert isinstance(rule, ThresholdCascade), "no other rule has rungs"
    limits = {} if rung is None else dict.fromkeys(rule.tiers[:-1], cast("float", rung))
    return ThresholdCascade(rule.tiers, {**rule.thresholds, task: limits})


def alone(rule: StopRule, task: str) -> StopRule:
    """The same rule with nothing in it that decides on other tasks alone; a rule without rungs as it is."""
    if isinstance(rule, Committing):
        return committed(alone(rule.rule, task), rule.tiers, task, rule.commits.get(task, {}))
    if isinstance(rule, FirstByRouter):
        return FirstByRouter(alone(rule.rule, task))
    if isinstance(rule, RulePerTask):
        return RulePerTask({name: its for name, its in rule.rules.items() if name == task}, rule.top)
    if isinstance(rule, ContinuationRule):
        return replace(rule, of_task={name: its for name, its in rule.of_task.items() if name == task})
    if isinstance(rule, ThresholdCascade):
        return ThresholdCascade(rule.tiers, {name: its for name, its in rule.thresholds.items() if name == task})
    return rule


def _utility(parts: Parts, at: int) -> Utility:
    mine = f"utility{at}."
    arrays = {name.removeprefix(mine): a for name, a in parts.arrays.items() if name.startswith(mine)}
    return Utility.from_parts(Parts("", arrays, {}))
