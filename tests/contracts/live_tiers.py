"""Tiers of every backend, made from settings, that answer, fail or dawdle as a test wants."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace
from tests.contracts.test_students import rows, trained
from tests.gateway import stub as stubs
from tests.gateway.messages_stub import KEY

from routenlp.backends.recording import Row, write_recording
from routenlp.gateway.assemble import new_session
from routenlp.gateway.build_tiers import Means, live_tier
from routenlp.gateway.request import parse
from routenlp.gateway.tiers import LiveTier
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Tier
from routenlp.settings import PriceSettings, TierSettings
from routenlp.types import Prediction

TASK = "generated_intent"
EXAMPLE = rows("classifier")[0]
SETTINGS = TierSettings(
    name="it", backend="openai", model="it-model", price=PriceSettings(input_usd_per_mtok=3.0, output_usd_per_mtok=7.0)
)
LIMIT_S = 0.3


class Dawdling:
    """A student that waits until it is let go, and counts whom it answered."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun = 0

    def predict(self, queries):
        self.begun += len(queries)
        self.go.wait(10)
        return [Prediction("late", (0.5,)) for _ in queries]


class Failing:
    """A student with a fault."""

    def predict(self, queries):
        raise ZeroDivisionError


@dataclass
class Kit:
    """Makes tiers of one backend, that behave."""

    backend: str
    stub: stubs.Stub | None
    folder: Path
    window: Mapping[str, object] = field(default_factory=dict)
    """Settings of what one call can hold."""

    @asynccontextmanager
    async def tier(self, how: str = "well", **settings) -> AsyncIterator[LiveTier]:
        """`how`: well, fails, or slow."""
        given = replace_settings(SETTINGS, backend=self.backend, **self.window, **settings)
        students = {"it": {TASK: trained("classifier", "ngram").student}}
        if self.backend in ("openai", "anthropic"):
            given = replace_settings(given, base_url=self.stub.url, api_key_env="KEY", retries=0, total_s=30.0)
            if how != "well":
                self.stub.behaviours["it-model"] = {"fails": stubs.status(500), "slow": stubs.silent}[how]
        if self.backend == "student" and how != "well":
            self.dawdling = Dawdling()
            students = {"it": {TASK: {"fails": Failing(), "slow": self.dawdling}[how]}}
        if self.backend == "recorded":
            path = self.folder / "recording.jsonl.gz"
            said = "somebody else" if how == "fails" else EXAMPLE.query.text
            write_recording(path, [Row("q1", TASK, said, "recorded answer")])
            given = replace_settings(given, recording=str(path))
        async with new_session() as session:
            yield live_tier(Tier("it", self.backend, Price(3.0, 7.0), "it-model"), given, means(session, students))
            if self.backend == "student" and how == "slow":
                self.dawdling.go.set()


def means(session, students):
    return Means({"KEY": KEY}, session, students)


def replace_settings(settings, **changes):
    return type(settings)(**{name: getattr(settings, name) for name in settings.__struct_fields__} | changes)


def request(**fields):
    asked = {"model": "auto", "messages": [{"role": "user", "content": EXAMPLE.query.text}], **fields}
    return replace(parse(json.dumps(asked).encode()), task=TASK)


def ask(kit, how="well", *, settings=None, limit_s=None, last=False, **fields):
    async def once():
        async with kit.tier(how, **(settings or {})) as tier:
            return await tier.whole(request(**fields), scored=True, limit_s=limit_s, last=last)

    return asyncio.run(once())
