"""Reads a whole chat completion: what was said, how sure, how many tokens. Lenient about what others add."""

from __future__ import annotations

import math

import msgspec

from routenlp.portfolio.prices import NOTHING_CACHED, Cached, Price, count_tokens


class TokenLogprob(msgspec.Struct):
    """One token of `logprobs.content`."""

    logprob: float
    token: str | None = None
    bytes: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def ends(self) -> bool:
        """An end-of-text token, which some servers count in a whole answer and leave out of a stream. Half a
        character has no text either, but it has bytes.
        """
        return self.token == "" and self.bytes in _NO_BYTES

    @property
    def probability(self) -> float:
        """In [0, 1]."""
        return math.exp(self.logprob) if self.logprob < 0.0 else 1.0


class _Logprobs(msgspec.Struct):
    content: list[TokenLogprob] | None = None


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"null")
    refusal: str | None = None
    tool_calls: list[dict[str, msgspec.Raw]] | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    logprobs: msgspec.Raw = msgspec.Raw(b"null")


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    id: str = ""
    usage: msgspec.Raw = msgspec.Raw(b"null")


class _Tokens(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: msgspec.Raw = msgspec.Raw(b"null")


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None


_COMPLETION = msgspec.json.Decoder(_Completion)
_USAGE = msgspec.json.Decoder(_Tokens | None)
_DETAILS = msgspec.json.Decoder(_Details | None)
_BYTES = msgspec.json.Decoder(list[int] | None)
_NULL = msgspec.Raw(b"null")
_NO_BYTES = (_NULL, msgspec.Raw(b"[]"))
_LOGPROBS = msgspec.json.Decoder(_Logprobs | None)
_TEXT = msgspec.json.Decoder(str | None)
_ID = msgspec.json.Decoder(str)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_MOST_TOKENS = 100_000_000


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer."""

    input_tokens: int
    output_tokens: int
    reported: bool = True
    """False: counted here, because the endpoint said nothing that can be believed."""
    cached: Cached = NOTHING_CACHED
    """Of the input tokens."""

    def cost_usd(self, price: Price) -> float:
        """What these tokens cost."""
        return price.cost_usd(self.input_tokens, self.output_tokens, self.cached)


class Completion(msgspec.Struct, frozen=True):
    """What an endpoint answered."""

    id: str
    text: str
    """Of the first choice: what it says, or its tool calls as JSON."""
    usage: Usage | None
    """None where the endpoint reports none, or nonsense."""
    token_probs: tuple[float, ...] | None
    """Of the tokens of all choices; None without log-probabilities."""
    tool_call_ids: tuple[str, ...]
    empty: bool
    """No choice says anything, refuses anything or calls anything."""


def read(body: bytes) -> Completion | None:
    """None for anything that is no chat completion."""
    try:
        found = _COMPLETION.decode(body)
        if not found.choices:
            return None
        texts = [_said(choice.message) for choice in found.choices]
    except (msgspec.DecodeError, RecursionError):
        return None
    return Completion(
        id=found.id,
        text=texts[0],
        usage=read_usage(found.usage),
        token_probs=_probs(found.choices),
        tool_call_ids=tuple(i for choice in found.choices for i in call_ids(choice.message.tool_calls)),
        empty=not any(text or choice.message.refusal for text, choice in zip(texts, found.choices, strict=True)),
    )


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """The tokens that an endpoint reports; None where it reports none, or counts that cannot be."""
    try:
        tokens = _USAGE.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    if tokens is None or not all(0 <= n <= _MOST_TOKENS for n in (tokens.prompt_tokens, tokens.completion_tokens)):
        return None
    return Usage(tokens.prompt_tokens, tokens.completion_tokens, cached=_cached(tokens))


def _cached(tokens: _Tokens) -> Cached:
    """What cannot be, and what cannot be read, counts as fresh input, which is the dearer of the two."""
    if tokens.prompt_tokens_details == _NULL:
        return NOTHING_CACHED
    try:
        details = _DETAILS.decode(tokens.prompt_tokens_details) or _Details()
    except (msgspec.DecodeError, RecursionError):
        return NOTHING_CACHED
    read, write, write_1h = (
        n or 0 for n in (details.cached_tokens, details.cache_write_tokens, details.cache_write_1h_tokens)
    )
    if not 0 < read + write + write_1h <= tokens.prompt_tokens or min(read, write, write_1h) < 0:
        return NOTHING_CACHED
    return Cached(read, write, write_1h)


def counted_usage(question: str, answer: str) -> Usage:
    """Words and marks, where nobody reports tokens: nearer to the bill than 0."""
    return Usage(count_tokens(question), count_tokens(answer), reported=False)


def call_ids(calls: list[dict[str, msgspec.Raw]] | None) -> list[str]:
    """Ids of tool calls, as far as they have any."""
    found = []
    for call in calls or []:
        try:
            found.append(_ID.decode(call["id"]))
        except (KeyError, msgspec.DecodeError, RecursionError):
            continue
    return found


def read_tokens(body: bytes) -> tuple[list[float], list[int]] | None:
    """Of each token its probability, and the bytes that it adds; None where there is not one choice that has them."""
    try:
        (choice,) = _COMPLETION.decode(body).choices
        found = _LOGPROBS.decode(choice.logprobs)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    tokens = [token for token in (found.content or [] if found is not None else []) if not token.ends]
    return [token.probability for token in tokens], [len(said_by(token)) for token in tokens]


def said_by(token: TokenLogprob) -> bytes:
    """What it adds to the text, half a character included where its bytes are given."""
    try:
        given = _BYTES.decode(token.bytes)
        if given is not None:
            return bytes(given)
    except (msgspec.DecodeError, RecursionError, ValueError):
        pass
    return (token.token or "").encode("utf-8", "replace")


def without_logprobs(body: bytes) -> bytes:
    """The same completion with `logprobs: null` in every choice, for a client that asked for none."""
    fields = _RAW.decode(body)
    choices: list[dict[str, object]] = [dict(choice) for choice in _RAWS.decode(fields["choices"])]
    for choice in choices:
        choice["logprobs"] = None
    return msgspec.json.encode({**fields, "choices": choices})


def _said(message: _Message) -> str:
    if message.tool_calls:
        return msgspec.json.encode(message.tool_calls).decode()
    try:
        return _TEXT.decode(message.content) or ""
    except msgspec.ValidationError:  # parts in place of a text
        return bytes(message.content).decode("utf-8", "replace")


def _probs(choices: list[_Choice]) -> tuple[float, ...] | None:
    """Log-probabilities that cannot be read are none at all: they are asked for by us, and never the client's loss."""
    try:
        every = [_LOGPROBS.decode(choice.logprobs) for choice in choices]
    except (msgspec.DecodeError, RecursionError):
        return None
    tokens = [token for one in every if one is not None for token in one.content or []]
    logs = [token.logprob for token in tokens if token.token != "" or not token.ends]
    return tuple([math.exp(log) if log < 0.0 else 1.0 for log in logs]) or None
