"""Which tiers hold a conversation in their prompt caches, so that leaving one is weighed against what it would cost.

Providers price the part of a prompt that they have just read at a fraction. A conversation is known by a hash of its
caller and of its messages so far, as they were sent; none of them is kept. A request goes on with a conversation when
its messages begin with all those of an earlier one. In memory: after a restart nobody is held back, which is no error.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from routenlp.gateway.tiers import LiveTier
from routenlp.store.sql.records import StepRecord

MOST = 20_000
"""Conversations remembered, each in some 300 bytes; the one that was longest silent is forgotten."""
LEAST_TOKENS = 1_024
"""Of a prompt: shorter ones are not cached by the providers that we know of."""
LEAST_BYTES = LEAST_TOKENS
"""Of a request: a shorter one cannot have so many tokens, and is not looked at."""
LIVES_S = 300.0
"""After its last use a provider's cache is taken to be gone: five minutes is the shortest that they promise."""
_MESSAGES = msgspec.json.Decoder(list[msgspec.Raw])
_SIZE = 16


@dataclass(frozen=True, slots=True)
class Held:
    """What one tier's cache holds of a conversation."""

    tokens: int
    at_s: float
    """When it was last used."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request's messages, as hashes."""

    whole: bytes
    """Of all."""
    earlier: tuple[bytes, ...]
    """Of its beginnings, the longest first; the whole among them, for a request that is sent again."""


class PromptCaches:
    """Of one gateway. For one thread; time is an argument."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, dict[str, Held]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def of(self, conversation: Conversation, now_s: float) -> dict[str, Held]:
        """By tier, what its cache is expected to hold: of the longest beginning that is remembered."""
        found = next((held for name in conversation.earlier if (held := self._held.get(name)) is not None), {})
        return {tier: held for tier, held in found.items() if now_s - held.at_s <= LIVES_S}

    def answered(self, conversation: Conversation, steps: Iterable[StepRecord], now_s: float) -> None:
        """These tiers have read the whole conversation. A cache that was counted on and gave nothing is none."""
        before = self.of(conversation, now_s)
        held = dict(before)
        for step in steps:
            if step.error is not None or step.input_tokens is None or step.input_tokens < LEAST_TOKENS:
                continue
            if step.tier in before and not step.cached_tokens:
                del held[step.tier]
            else:
                held[step.tier] = Held(step.input_tokens, now_s)
        if not held and not before:
            return
        self._held[conversation.whole] = held
        self._held.move_to_end(conversation.whole)
        while len(self._held) > MOST:
            self._held.popitem(last=False)


def conversation_of(caller: str, messages: bytes, size_bytes: int) -> Conversation | None:
    """None where the request is too short for any cache, or is not a list."""
    if size_bytes < LEAST_BYTES:
        return None
    try:
        parts = _MESSAGES.decode(messages)
    except (msgspec.DecodeError, RecursionError):
        return None
    hashes = list(_beginnings(caller, parts))
    return Conversation(hashes[-1], tuple(reversed(hashes))) if hashes else None


def _beginnings(caller: str, messages: list[msgspec.Raw]) -> Iterator[bytes]:
    so_far = hashlib.blake2b(caller.encode() + b"\0", digest_size=_SIZE)
    for message in messages:
        so_far.update(len(message).to_bytes(8))
        so_far.update(message)
        yield so_far.digest()


def worth_usd(held: Mapping[str, Held], tiers: Mapping[str, LiveTier]) -> dict[str, float]:
    """By tier, how much less its prompt costs with its cache than without; tiers that gain nothing are left out."""
    known = {tier: cache.tokens for tier, cache in held.items() if tier in tiers}
    saved = {tier: tiers[tier].tier.price.saved_by_cache_usd(tokens) for tier, tokens in known.items()}
    return {tier: usd for tier, usd in saved.items() if usd > 0.0}
