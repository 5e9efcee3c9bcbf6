"""The tiers and the judge, as the real worker asks them: by a look into the book of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from routenlp.bench.pilot import judge as judging
from routenlp.bench.pilot.answers import AnswerBook
from routenlp.bench.pilot.front import Front
from routenlp.bench.pilot.judge import PRICE_USD_PER_MTOK, SimulatedJudge
from routenlp.errors import BackendError
from routenlp.portfolio.prices import Price, count_tokens
from routenlp.types import Answer
from routenlp.worker.audits import Asked

JUDGE = "judge"
_REPLY_TOKENS = 12


@dataclass(slots=True, eq=False)
class PilotTiers:
    """`worker.audits.Tiers`."""

    book: AnswerBook
    front: Front
    judge: SimulatedJudge = field(default_factory=SimulatedJudge)
    _asked: dict[str, int] = field(default_factory=dict)

    @property
    def prices(self) -> Mapping[str, Price]:
        """By tier."""
        priced = {tier.name: tier.price for tier in self.front.side_now.policy.portfolio.tiers}
        return {**priced, JUDGE: Price(PRICE_USD_PER_MTOK, PRICE_USD_PER_MTOK)}

    async def ask(self, tier: str, task: str, request: Mapping[str, Any]) -> Asked:
        """What the tier says to this request; raises `BackendError` for a task that it has no answers to."""
        if tier == JUDGE:
            return self._judged(request)
        item = self.item_of(request)
        side = self.front.side_now
        mark = side.fingerprint(tier, task)
        if tier != self.book.portfolio.top and not self.book.knows(tier, task, mark):
            raise BackendError(f"tier {tier!r}", f"has no answers to task {task!r}", "Train a student.")
        answer = self.book.answer(tier, item, mark, self.front.moment)
        return Asked(answer, None, side.policy.scorer.score(answer))

    def item_of(self, request: Mapping[str, Any]) -> int:
        """The item that came as this request."""
        item = self.book.item_named(request["metadata"]["query_id"])
        self._asked.setdefault(msgspec.json.encode(request["messages"]).decode(), item)
        return item

    def _judged(self, request: Mapping[str, Any]) -> Asked:
        shown = judging.shown_to(request["messages"])
        said = json.loads(shown)
        item = self._asked[said["request"]]
        quality = {said[which]: self.book.quality(item, said[which]) for which in ("first", "second")}
        reply = self.judge.reply(shown, quality)
        read = count_tokens("".join(message["content"] for message in request["messages"]))
        cost_usd = self.prices[JUDGE].cost_usd(read, _REPLY_TOKENS)
        answer = Answer(JUDGE, reply, None, read, _REPLY_TOKENS, cost_usd, 1.0)
        return Asked(answer, judging.MODEL, None)
