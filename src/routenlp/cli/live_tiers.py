"""The gateway's tiers, as a worker asks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from routenlp.errors import BackendError
from routenlp.gateway.errors import ApiError
from routenlp.gateway.live import Live
from routenlp.gateway.request import ChatRequest, parse
from routenlp.portfolio.prices import Price
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Answer, Query
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
            asked = msgspec.structs.replace(parse(msgspec.json.encode({**request, "model": "auto"})), task=task)
        except ApiError as exc:
            raise BackendError(f"tier {tier!r}", "cannot be asked what was stored", "Nothing to do.") from exc
        whole = await self.live.tiers[tier].whole(asked, scored=True, limit_s=None, last=True)
        served = self.live.tasks.get(task)
        tokens = whole.kept_tokens() if served is not None and tier in served.keeps else None
        return Asked(whole.answer, _model(whole.body), self._score(whole.answer, asked, task), tokens)

    def _score(self, answer: Answer, request: ChatRequest, task: str) -> float | None:
        """As the gateway would have scored it, with the route that a score may lean on."""
        policy = self.live.policy
        if policy is None:
            return TokenUncertainty().score(answer)
        known = task in policy.tasks
        route = policy.route(Query("", task, request.text, request.metadata, request.turns)) if known else None
        return policy.scorer.score(answer, route)


def _model(body: bytes) -> str | None:
    try:
        return _MODEL.decode(body).model
    except msgspec.DecodeError:
        return None
