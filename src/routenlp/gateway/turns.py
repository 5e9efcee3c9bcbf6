"""Which tier began an assistant's turn: the results of its tool calls go back to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

MOST = 20_000
"""Tool calls remembered; the oldest are forgotten, and their turns then go on at the router's choice."""


class BegunTurns:
    """By caller and id of a tool call. In memory: after a restart the router chooses, which is no error."""

    def __init__(self) -> None:
        self._tiers: OrderedDict[tuple[str, str], str] = OrderedDict()

    def began(self, caller: str, call_ids: Iterable[str], tier: str) -> None:
        """`tier` called these tools."""
        for call_id in call_ids:
            self._tiers[caller, call_id] = tier
            self._tiers.move_to_end((caller, call_id))
        while len(self._tiers) > MOST:
            self._tiers.popitem(last=False)

    def tier_of(self, caller: str, call_ids: Iterable[str]) -> str | None:
        """The tier that called one of these tools; None where it is not known."""
        return next((tier for call_id in call_ids if (tier := self._tiers.get((caller, call_id))) is not None), None)
