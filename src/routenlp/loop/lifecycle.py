"""The states of a policy version, and the moves between them.

    draft ──▶ calibrated ──▶ shadow ──▶ canary ──▶ active ◀──▶ retired
      │           │  └──────────│──────────│────────▲ │
      └───────────┴─────────────┴──────────┴─▶ rejected ◀┘

One policy at most is active, and one at most is in shadow or canary. A version never changes: what a turn makes,
what recalibration makes and what a new price makes is each another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from routenlp.errors import IllegalMove


class State(StrEnum):
    """Where a policy version stands."""

    DRAFT = "draft"
    """Stored; nothing is proved of it."""
    CALIBRATED = "calibrated"
    """Its certificates were proved for this very version."""
    SHADOW = "shadow"
    """Passed the gate: answers live queries beside the active policy, and nobody gets those answers."""
    CANARY = "canary"
    """Serves a share of the conversations."""
    ACTIVE = "active"
    """Serves."""
    RETIRED = "retired"
    """Served once; the way back goes to it."""
    REJECTED = "rejected"
    """Failed, or was taken back for harm. Final: another try is another version."""


S = State
NEXT: Mapping[State, frozenset[State]] = {
    S.DRAFT: frozenset({S.CALIBRATED, S.REJECTED}),
    # To active at once: the first policy, a renewal of certificates with the same models, or by hand.
    S.CALIBRATED: frozenset({S.SHADOW, S.ACTIVE, S.REJECTED}),
    S.SHADOW: frozenset({S.CANARY, S.REJECTED}),
    S.CANARY: frozenset({S.ACTIVE, S.REJECTED}),
    S.ACTIVE: frozenset({S.RETIRED, S.REJECTED}),
    S.RETIRED: frozenset({S.ACTIVE}),
    S.REJECTED: frozenset(),
}
"""The legal moves."""
ON_TRIAL = frozenset({S.SHADOW, S.CANARY})
"""A candidate is in one of these; there is one candidate at a time."""


def check_move(version: str, before: State, after: State) -> None:
    """Raises `IllegalMove`, naming what would be legal."""
    if after in NEXT[before]:
        return
    legal = ", ".join(sorted(NEXT[before])) or "nothing"
    raise IllegalMove(
        f"policy {version}", f"is {before} and cannot become {after}", f"What is {before} can become: {legal}."
    )
