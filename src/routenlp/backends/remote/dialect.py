"""How an API is spoken to, beside the bodies: where, and with which headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Dialect:
    """Of one tier."""

    path: str
    """After an endpoint's address with its /v1."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The key among them, and so never shown."""
    secret: str | None = field(default=None, repr=False)
    """The key itself, which an endpoint may quote when it refuses a request: taken out of what it says."""
