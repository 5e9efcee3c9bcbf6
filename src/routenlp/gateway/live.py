"""What the gateway serves with at a moment: swapped as a whole when settings or policies are loaded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from routenlp.cascade.policy import Policy
from routenlp.conformal.verdict import Status
from routenlp.gateway.audit_draw import Drawn, audit_rate, audit_tiers
from routenlp.gateway.tiers import LiveTier
from routenlp.settings import Settings
from routenlp.store.sql.audit_rates import PlannedRate

if TYPE_CHECKING:
    from routenlp.gateway.untagged import GuessesTasks

DEFAULT_TASK = "default"
NO_POLICY = "none"
NOTHING_PLANNED: Mapping[str, PlannedRate] = MappingProxyType({})
ONE_TIER = Drawn(0.0, "one tier alone may answer: it is compared with nothing")


@dataclass(frozen=True, slots=True)
class Served:
    """How queries of one task are served."""

    task: str
    tiers: tuple[str, ...]
    """Those allowed, cheapest first: a wall. The last one answers where nothing else may."""
    status: Status
    routed: bool
    """Whether the policy's status is good enough for cheap tiers to serve."""
    sla_s: float | None
    """Bounds the sum of all cheap steps; the last tier is never broken off for it."""
    audit_rate: float = 0.0
    """Share of the requests that is audited."""
    audit_why: str = ""
    """What that share follows from."""
    audit_tiers: tuple[str, ...] = ()
    """Of `tiers`, those that an audit runs."""
    stale: bool = False
    """An alarm is open, and the settings let the last certificate serve on."""
    commits: frozenset[str] = frozenset()
    """Tiers whose streams are released at a commit point; empty where the task is buffered."""
    keeps: frozenset[str] = frozenset()
    """Tiers of whose answers audits keep what a commit rule is proved on."""


@dataclass(frozen=True, slots=True, eq=False)
class OnTrial:
    """A candidate beside the policy in force."""

    version: str
    """Its id among the store's versions."""
    live: Live
    """What it serves with."""
    share: float
    """Of the conversations; 0: it is in shadow."""


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """Immutable but for what tiers know of their endpoints."""

    settings: Settings
    tiers: Mapping[str, LiveTier]
    """By name, cheapest first."""
    tasks: Mapping[str, Served]
    policy: Policy | None
    guesses: GuessesTasks | None = None
    """Names the task of queries that have no tag; None: they are `default`."""
    weighs_caches: bool = False
    """Whether prompt caches are heeded, and some tier's price knows of them."""
    trial: OnTrial | None = None
    revision: int = -1
    """Of the store's policies, that this was built from."""

    @property
    def version(self) -> str:
        """The policy's, or `none`."""
        return self.policy.version if self.policy is not None else NO_POLICY


def served_tasks(
    settings: Settings,
    known: Mapping[str, Status],
    alarmed: frozenset[str] = frozenset(),
    planned: Mapping[str, PlannedRate] = NOTHING_PLANNED,
) -> dict[str, Served]:
    """Every task of the settings, and `default`. `known`: status of each task that the policy can route.

    `alarmed`: tasks whose quality has fallen. Whatever was proved of them no longer counts: the top tier serves, and
    as its answer is paid anyway, every request is audited, until there is enough to calibrate on. Under `stale: serve`
    they are served as before, and audited as much. `planned`: by task, how much the worker wants audited.
    """
    out = {}
    for name in {*settings.tasks, *known, DEFAULT_TASK}:
        task = settings.tasks.get(name)
        stale = name in alarmed and task is not None and task.stale == "serve"
        proved = known.get(name, Status.UNCERTIFIED)
        status = Status.UNCERTIFIED if name in alarmed and not stale else proved
        weakest = Status(task.serve_when) if task is not None else Status.ASYMPTOTIC
        sla_s = task.sla_ms / 1000.0 if task is not None and task.sla_ms is not None else None
        tiers = settings.tiers_of(name)
        routed = name in known and status is not Status.UNCERTIFIED and status.at_least(weakest)
        audits = audit_tiers(settings, tiers)
        drawn = audit_rate(settings, status, planned.get(name), alarmed=name in alarmed)
        drawn = drawn if len(audits) > 1 else ONE_TIER
        share = drawn.rate, drawn.why, audits
        out[name] = Served(name, tiers, status, routed, sla_s, *share, stale and routed)
    return out
