"""Sends queries through a gateway with the official OpenAI client, a few at a time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from routenlp.bench.progress import Advance
from routenlp.errors import SettingsError
from routenlp.types import Example, Query

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECTIONS = 2
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """One query and what came back over HTTP."""

    example: Example
    text: str | None
    """None where the gateway answered with an error."""
    error: str
    tiers: tuple[str, ...]
    """Asked, in order; the last is not always the one whose answer was returned."""
    tier: str
    cost_usd: float
    trace_id: str
    seconds: float
    """As the client saw it."""


def send(
    examples: Sequence[Example], base_url: str, key: str, advance: Advance, *, seed: int, connections: int = CONNECTIONS
) -> list[Exchange]:
    """All of `examples`, tasks mixed as `seed` says; in the order of `examples`."""
    try:
        import openai
    except ImportError as exc:
        raise SettingsError("routenlp demo", "needs openai", "Install it: pip install 'routenlp[bench]'") from exc

    order = list(range(len(examples)))
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, no secret
    done: dict[int, Exchange] = {}

    async def work(client: AsyncOpenAI, left: Iterator[int]) -> None:
        for at in left:
            done[at] = await _one(client, examples[at])
            advance(len(done), len(examples))

    async def every() -> None:
        direct = openai.DefaultAsyncHttpxClient(trust_env=False)  # a proxy for the world leads nowhere on loopback
        async with openai.AsyncOpenAI(
            base_url=base_url, api_key=key, max_retries=0, timeout=PATIENCE_S, http_client=direct
        ) as client:
            left = iter(order)
            await asyncio.gather(*(work(client, left) for _ in range(connections)))

    asyncio.run(every())
    return [done[at] for at in range(len(examples))]


def _messages(query: Query) -> Any:
    said = [*((turn.role, turn.text) for turn in query.turns), ("user", query.text)]
    return [{"role": role, "content": text} for role, text in said]


async def _one(client: AsyncOpenAI, example: Example) -> Exchange:
    import openai

    query = example.query
    begun_s = time.perf_counter()
    headers: Mapping[str, str] = {}
    try:
        raw = await client.chat.completions.with_raw_response.create(
            model=f"auto:{query.task}",
            messages=_messages(query),
            metadata={**query.metadata, "query_id": query.id},
        )
        text, error, headers = raw.parse().choices[0].message.content, "", raw.headers
    except openai.APIStatusError as exc:
        text, error, headers = None, str(exc.code or exc.status_code), exc.response.headers
    except openai.APIConnectionError as exc:
        text, error = None, type(exc).__name__
    return Exchange(
        example,
        text,
        error,
        tuple(filter(None, headers.get("x-routenlp-steps", "").split(","))),
        headers.get("x-routenlp-tier", ""),
        float(headers.get("x-routenlp-cost-usd", "0")),
        headers.get("x-routenlp-trace-id", ""),
        time.perf_counter() - begun_s,
    )
