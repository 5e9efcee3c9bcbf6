"""What cannot be said in the Messages API is refused by name, never left out in silence."""

from __future__ import annotations

_SHOWN = 80
"""Letters of a name."""


class Unsayable(ValueError):
    """A request asks for something that has no like there. Names the field; holds nothing of what was written."""

    def __init__(self, field: str, why: str) -> None:
        """`why`: goes on from the field, whose name may be a client's own, of any length."""
        super().__init__(f"{field[:_SHOWN]} {why}")
