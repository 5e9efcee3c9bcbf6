"""Everything that requests share. Built once for each gateway, passed in: there are no globals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from routenlp.gateway.access import Access
from routenlp.gateway.live import Live
from routenlp.gateway.metrics import Metrics
from routenlp.gateway.prompt_caches import PromptCaches
from routenlp.gateway.trial import Shadows
from routenlp.gateway.turns import BegunTurns
from routenlp.store.sql.records import Record


class Records(Protocol):
    """Takes records without ever waiting."""

    @property
    def depth(self) -> int:
        """How many wait."""

    @property
    def dropped(self) -> int:
        """How many could not be taken."""

    @property
    def dropped_audits(self) -> int:
        """How many of them were audits."""

    def put(self, record: Record) -> bool:
        """False: dropped, and counted."""

    def lost(self, *, audited: bool) -> None:
        """A record could not even be made: counted as dropped."""


class NoRecords:
    """Where there is no store."""

    depth = 0
    dropped = 0
    dropped_audits = 0

    def put(self, record: Record) -> bool:  # noqa: ARG002 - the contract's
        """Nothing is kept."""
        return True

    def lost(self, *, audited: bool) -> None:
        """Nothing is counted."""


@dataclass(slots=True, eq=False)
class Gateway:
    """`live` is replaced as a whole on reload; requests in progress keep the one they began with."""

    live: Live
    access: Access
    records: Records
    metrics: Metrics
    clock: Callable[[], float]
    """Seconds that do not go back."""
    wall_clock: Callable[[], float]
    """Seconds since 1970."""
    entropy: Callable[[int], bytes]
    group_key: bytes = field(init=False, repr=False)
    """Of the hashes that tell conversations apart on record; kept nowhere, so that no text can be tried on them."""
    turns: BegunTurns = field(default_factory=BegunTurns)
    caches: PromptCaches = field(default_factory=PromptCaches)
    ready: bool = False
    """False while starting and while draining: load balancers send nothing then."""
    shadows: Shadows = field(init=False)

    def __post_init__(self) -> None:
        self.shadows = Shadows(self.records.put)
        self.group_key = self.entropy(16)
