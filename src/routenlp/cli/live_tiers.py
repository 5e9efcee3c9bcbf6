"""The gateway's tiers, as a worker asks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from routenlp.errors import BackendError
from routenlp.gateway.errors import ApiError
from routenlp.gateway.live import Live
from routenlp.gateway.request import parse
from routenlp.portfolio.prices import Price
from routenlp.worker.audits import Asked


class _Named(msgspec.Struct):
    model: str | None = None


_MODEL = msgspec.json.Decoder(_Named)


@dataclass(frozen=True, slots=True, eq=False)
class LiveTiers:
    """`worker.audits.Tiers` on the tiers of `live`."""

    live: Live

    @property
    def prices(self) -> Mapping[str, Price]:
        """By tier."""
        return {name: tier.tier.price for name, tier in self.live.tiers.items()}

    async def ask(self, tier: str, task: str, request: Mapping[str, Any]) -> Asked:
        """A whole answer, with what a score needs."""
        try:
            asked = replace(parse(msgspec.json.encode({**request, "model": "auto"})), task=task)
        except ApiError as exc:
            raise BackendError(f"tier {tier!r}", "cannot be asked what was stored", "Nothing to do.") from exc
        whole = await self.live.tiers[tier].whole(asked, scored=True, limit_s=None, last=True)
        return Asked(whole.answer, _model(whole.body))


def _model(body: bytes) -> str | None:
    try:
        return _MODEL.decode(body).model
    except msgspec.DecodeError:
        return None
