"""A conversation is known again by a hash of what it said, and what a cache holds of it is forgotten in time."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from routenlp.gateway.prompt_caches import LIVES_S, MOST, Conversation, PromptCaches, conversation_of, worth_usd
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Tier
from routenlp.store.sql.records import StepRecord

FIRST = [{"role": "system", "content": "s" * 3000}, {"role": "user", "content": "hello"}]
LATER = [*FIRST, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "and now?"}]


def known(messages, caller: str = "key") -> Conversation:
    body = json.dumps(messages).encode()
    found = conversation_of(caller, body, len(body))
    assert found is not None
    return found


def step(tier: str = "mid", tokens: int | None = 2_000, **changes) -> StepRecord:
    return StepRecord(tier, tokens, 5, 0.1, 0.1, **changes)


def caches(*steps: StepRecord, at_s: float = 0.0) -> PromptCaches:
    made = PromptCaches()
    made.answered(known(FIRST), steps or (step(),), at_s)
    return made


def tokens(made: PromptCaches, messages=LATER, caller: str = "key", now_s: float = 10.0) -> dict[str, int]:
    return {tier: held.tokens for tier, held in made.of(known(messages, caller), now_s).items()}


def test_a_conversation_that_goes_on_is_known_and_so_is_one_sent_again() -> None:
    assert tokens(caches()) == {"mid": 2_000}
    assert tokens(caches(), FIRST) == {"mid": 2_000}


@pytest.mark.parametrize(
    "messages",
    [
        [FIRST[0], {"role": "user", "content": "hell"}, *LATER[2:]],
        [{"role": "system", "content": "t" * 3000}, *LATER[1:]],
    ],
)
def test_one_that_began_otherwise_is_another(messages) -> None:
    assert tokens(caches(), messages) == {}


def test_another_callers_conversation_is_another() -> None:
    assert tokens(caches(), caller="other") == {}


def test_a_cache_is_forgotten_when_providers_forget_it() -> None:
    assert tokens(caches(), now_s=LIVES_S) == {"mid": 2_000}
    assert tokens(caches(), now_s=LIVES_S + 1.0) == {}


@pytest.mark.parametrize("short", [step(tokens=1_000), step(tokens=None), step(error="timeout")])
def test_a_short_prompt_and_a_failed_call_leave_no_cache(short) -> None:
    assert tokens(caches(short)) == {}


def test_every_tier_that_read_the_conversation_holds_it_and_the_others_keep_theirs() -> None:
    made = caches(step("small"), step("mid"))
    made.answered(known(LATER), [step("mid", 2_500, cached_tokens=1_900)], 100.0)
    assert tokens(made, now_s=120.0) == {"small": 2_000, "mid": 2_500}
    assert tokens(made, now_s=LIVES_S + 50.0) == {"mid": 2_500}


def test_a_cache_that_gave_nothing_is_not_counted_on_again() -> None:
    made = caches(step("small"), step("mid"))
    made.answered(known(LATER), [step("mid", 2_500)], 10.0)
    assert tokens(made) == {"small": 2_000}


def test_memory_is_bounded() -> None:
    made = PromptCaches()
    for i in range(MOST + 10):
        made.answered(Conversation(i.to_bytes(16), ()), [step()], 0.0)
    assert len(made) == MOST


@pytest.mark.parametrize("body", [b"[]", b"{}", b"nonsense", b"[" * 100_000])
def test_what_is_no_list_of_messages_is_no_conversation(body) -> None:
    assert conversation_of("key", body, 5_000) is None


def test_a_short_request_is_not_looked_at() -> None:
    assert conversation_of("key", json.dumps(FIRST).encode(), 500) is None


@dataclass
class Priced:
    tier: Tier


def test_a_cache_is_worth_what_its_tokens_cost_without_it() -> None:
    tiers = {
        "mid": Priced(Tier("mid", "openai", Price(10.0, 10.0, cache_read_usd_per_mtok=1.0))),
        "top": Priced(Tier("top", "openai", Price(100.0, 100.0))),
    }
    held = caches(step("mid"), step("top"), step("gone")).of(known(LATER), 1.0)
    assert worth_usd(held, tiers) == {"mid": pytest.approx(2_000 * 9e-6)}
