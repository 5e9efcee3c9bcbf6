"""A real text that is longer than a real model's context: read in parts, every call counted, by the machine's rules."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contracts.live_tiers import means, replace_settings, request

from routenlp.gateway.assemble import new_session
from routenlp.gateway.build_tiers import CLOCK, live_tier
from routenlp.gateway.long_tier import LongTier
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Tier
from routenlp.settings import PriceSettings, TierSettings

pytestmark = pytest.mark.slow
TEXT = (Path(__file__).parents[2] / "LICENSE").read_text()[:5_000]
PRICE = Price(1.0, 2.0)


class Noting:
    """A tier that keeps what another one answered."""

    def __init__(self, inner):
        self.tier, self.streams, self.state = inner.tier, inner.streams, inner.state
        self.inner, self.answers = inner, []

    async def whole(self, asked, **how):
        self.answers.append(await self.inner.whole(asked, **how))
        return self.answers[-1]


def read_in_parts(smollm2, **settings):
    """The answer, and those of all calls to the model itself."""
    given = TierSettings(
        name="here",
        backend="local",
        weights=str(smollm2),
        context=768,
        slots=2,
        threads=1,
        price=PriceSettings(input_usd_per_mtok=1.0, output_usd_per_mtok=2.0),
        long_input="map_reduce",
    )
    asked = request(messages=[{"role": "user", "content": TEXT}], temperature=0, max_tokens=64)

    async def once():
        async with new_session() as session:
            tier = live_tier(Tier("here", "local", PRICE), replace_settings(given, **settings), means(session, {}))
            noting = Noting(tier.inner)
            long = LongTier(noting, tier.window, clock=CLOCK)
            try:
                whole = await long.whole(replace(asked, task="sums"), scored=True, limit_s=None, last=False)
                return whole, noting.answers
            finally:
                tier.inner.server.close()

    return asyncio.run(once())


def test_a_long_text_is_read_in_parts_by_a_small_context(smollm2):
    whole, calls = read_in_parts(smollm2)
    answer = whole.answer
    assert len(calls) >= 4
    assert answer.text
    assert answer.input_tokens == sum(call.answer.input_tokens for call in calls) > 1_200
    assert answer.output_tokens == sum(call.answer.output_tokens for call in calls)
    assert answer.cost_usd == pytest.approx(PRICE.cost_usd(answer.input_tokens, answer.output_tokens))
    assert answer.token_probs == calls[-1].answer.token_probs
    assert 0 < len(answer.token_probs) <= 64
    assert all(call.answer.input_tokens + call.answer.output_tokens <= 768 for call in calls)
    assert max(call.answer.latency_s for call in calls) < answer.latency_s
