"""Exploration: now and then begin at a tier drawn at random, and log how likely that was.

A router that always begins where it believes best never learns what the other tiers would have delivered, and no other
router can be judged from its log. A small share of draws with a logged propensity cures both (`replay.off_policy`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar

from routenlp.contracts import Router
from routenlp.draws import draw
from routenlp.errors import SettingsError
from routenlp.router.nested import unwrapped, wrapped
from routenlp.types import Parts, Propensity, Query, Route


@dataclass(frozen=True, slots=True)
class Exploration:
    """With probability `epsilon` the first tier is one of `tiers`, each as likely as the others.

    Uniform, and not by expected utility: every tier then has a propensity of at least epsilon / len(tiers), so that no
    weight of a later evaluation is larger than the inverse, whatever the router believes.
    """

    epsilon: float
    tiers: tuple[str, ...]
    """Those that may be drawn. The router's own choice is always possible."""

    def __post_init__(self) -> None:
        """Raises `SettingsError` for an epsilon outside [0, 1], and for tiers that are none or come twice."""
        if not 0.0 <= self.epsilon <= 1.0:
            raise SettingsError("exploration.epsilon", f"is {self.epsilon}", "Give a share from 0 to 1, such as 0.05")
        if not self.tiers or len(set(self.tiers)) < len(self.tiers):
            raise SettingsError("exploration.tiers", f"is {list(self.tiers)}", "Name each tier that may be drawn once")


@dataclass(frozen=True, slots=True)
class ExploringRouter:
    """A `Router` around another: its choice, but for a share of queries, with propensities on every route.

    The draw is fixed by `seed` and the query's id, so a query that is asked again begins at the same tier; ids must
    differ between queries, or their draws are one draw. An empty text is not explored: it goes to the top tier. The
    stop rule must begin at the route's first tier (`cascade.first_by_router` makes any rule do so).
    """

    router: Router
    exploration: Exploration
    seed: int
    by_task: Mapping[str, Exploration] = field(default_factory=dict)
    """In place of `exploration` for these tasks."""

    KIND: ClassVar[str] = "router/exploring"

    def route(self, query: Query) -> Route:
        """The inner router's route, or the same with another first tier; with propensities either way."""
        route = self.router.route(query)
        explore = self.by_task.get(query.task, self.exploration)
        if not query.text.strip():
            return replace(route, propensities=(Propensity(route.first, 1.0),))
        logged = replace(route, propensities=propensities(route.first, explore))
        drawn = _fraction(self.seed, query.id)
        if drawn >= explore.epsilon:
            return logged
        # A share that is just under epsilon may round to 1.
        at = min(int(drawn / explore.epsilon * len(explore.tiers)), len(explore.tiers) - 1)
        why = f"drawn at random, as a share of {explore.epsilon:g} of queries is, to learn what other tiers deliver"
        return replace(logged, first=explore.tiers[at], reason=why)

    def parts(self) -> Parts:
        """For storage, with the inner router's inside."""
        meta = {
            "seed": self.seed,
            "exploration": asdict(self.exploration),
            "by_task": {task: asdict(self.by_task[task]) for task in sorted(self.by_task)},
        }
        return wrapped(self.router.parts(), self.KIND, meta)

    @classmethod
    def from_parts(cls, parts: Parts, build: Callable[[Parts], Router]) -> ExploringRouter:
        """The inverse of `parts`; `build` makes the inner router. Raises `KeyError` where a part is missing."""
        meta: Any = parts.meta
        by_task = {task: _exploration(found) for task, found in meta["by_task"].items()}
        inner = build(unwrapped(parts))
        return cls(inner, _exploration(meta["exploration"]), int(meta["seed"]), by_task)


def propensities(choice: str, explore: Exploration) -> tuple[Propensity, ...]:
    """Of every tier that can be first, where the router would choose `choice`; they sum to 1."""
    tiers = explore.tiers if choice in explore.tiers else (*explore.tiers, choice)
    share = explore.epsilon / len(explore.tiers)
    drawn = {tier: share if tier in explore.tiers else 0.0 for tier in tiers}
    drawn[choice] += 1.0 - explore.epsilon
    return tuple(Propensity(tier, probability) for tier, probability in drawn.items())


def _exploration(meta: Any) -> Exploration:
    return Exploration(float(meta["epsilon"]), tuple(meta["tiers"]))


def _fraction(seed: int, query_id: str) -> float:
    """In [0, 1), and unlike any other draw by the same seed and id."""
    return draw("exploration", str(seed), query_id)
