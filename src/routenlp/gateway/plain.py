"""For tiers that answer in this process: what of a request they can do, and a completion around their answer.

They answer one query with one text. Whatever else a request asks for is refused by name, so that a tier which can do
it is asked; what they leave unread (temperature, seed, instructions) cannot make their answer wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from routenlp.backends.counted import counted
from routenlp.backends.openai_compatible.completion import Completion, Usage
from routenlp.backends.openai_compatible.made import made_completion
from routenlp.backends.remote.failures import Kind, UpstreamError
from routenlp.gateway.request import QUERY_ID, ChatRequest
from routenlp.gateway.tiers import Whole
from routenlp.portfolio.prices import first_tokens
from routenlp.portfolio.tiers import Tier
from routenlp.types import Prediction, Query


class _Part(msgspec.Struct):
    type: str = "text"


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part] | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"null")


_MESSAGES = msgspec.json.Decoder(list[_Message])
_TEXTS = frozenset({"text", "refusal"})
_TOOL_ROLES = frozenset({"tool", "function"})
_NO_CALLS = (msgspec.Raw(b"null"), msgspec.Raw(b"[]"))
_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "tools": lambda value: value == [],
    "functions": lambda value: value == [],
    "response_format": lambda value: value == {"type": "text"},
    "modalities": lambda value: value == ["text"],
    "audio": lambda _: False,
    "web_search_options": lambda _: False,
}
"""By field that can ask for more than a text, whether its value, where it is not null, does not."""


@dataclass(frozen=True, slots=True)
class Clerk:
    """What is the same for all such tiers."""

    tier: Tier
    model: str
    """As the completion names it."""
    wall_clock: Callable[[], float]
    new_id: Callable[[], str]

    def query(self, request: ChatRequest) -> Query:
        """What is asked; raises `UpstreamError` for what a plain answer cannot do."""
        beyond = beyond_text(request)
        if beyond is not None:
            raise self.refusal(f"answers with plain text, and cannot do {beyond}")
        task, metadata = request.task or "", request.metadata
        return Query(metadata.get(QUERY_ID, ""), task, request.text, metadata, request.turns)

    def whole(
        self,
        request: ChatRequest,
        query: Query,
        prediction: Prediction,
        latency_s: float,
        tokens: tuple[int, int] | None = None,
    ) -> Whole:
        """A completion around `prediction`, cut as the request says. `tokens`: read and written for the whole of it,
        where that is known.
        """
        text, finish_reason = _cut(request, prediction.text)
        known = tokens if text == prediction.text else None
        answer = counted(self.tier, query, replace(prediction, text=text), latency_s, known)
        id_ = f"chatcmpl-{self.new_id()}"
        body = made_completion(
            answer,
            id_=id_,
            created_s=self.wall_clock(),
            model=self.model,
            finish_reason=finish_reason,
            logprobs=request.wants_logprobs,
        )
        usage = Usage(answer.input_tokens, answer.output_tokens, reported=known is not None)
        return Whole(answer, Completion(id_, text, usage, answer.token_probs, (), not text), body)

    def refusal(self, problem: str) -> UpstreamError:
        """The next tier may do better; where there is none, the client is told."""
        return UpstreamError(self.tier.name, Kind.UNSAYABLE, problem, remedy="The next tier is asked.")


def beyond_text(request: ChatRequest) -> str | None:
    """The first thing that `request` asks for beside one text in answer to texts; None for a plain one."""
    if request.n > 1:
        return "n over 1"
    for name, plain in _PLAIN.items():
        value = _value(request, name)
        if value is not None and not plain(value) and not _only_named(request, name):
            return name
    for message in _MESSAGES.decode(request.fields["messages"]):
        if message.role in _TOOL_ROLES or message.tool_calls not in _NO_CALLS:
            return "results of tools"
        if isinstance(message.content, list) and any(part.type not in _TEXTS for part in message.content):
            return "images and other parts that are no text"
    if _stops(request) is None:
        return "a `stop` that is no text"
    if request.most_tokens is not None and request.most_tokens < 1:
        return "an answer of no tokens"
    return None


def _only_named(request: ChatRequest, name: str) -> bool:
    """Tools that the client forbids to call ask for nothing."""
    return name == "tools" and _value(request, "tool_choice") == "none"


def _cut(request: ChatRequest, text: str) -> tuple[str, str]:
    """The text up to the first stop sequence and the most tokens, and why it ended."""
    stops = [at for stop in _stops(request) or [] if (at := text.find(stop)) >= 0]
    text = text[: min(stops)] if stops else text
    short = text if request.most_tokens is None else first_tokens(text, request.most_tokens)
    return short, "stop" if short == text else "length"


def _stops(request: ChatRequest) -> list[str] | None:
    """None for what is no text and no list of texts."""
    value = _value(request, "stop")
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        return None
    return [stop for stop in stops if stop]


def _value(request: ChatRequest, name: str) -> Any:
    raw = request.fields.get(name)
    try:
        return msgspec.json.decode(raw) if raw is not None else None
    except (msgspec.DecodeError, RecursionError):
        return object()  # what cannot be read is more than we can do
