"""A stream that is read for its log-probabilities too, token by token, as it passes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from routenlp.backends.openai_compatible.completion import TokenLogprob, said_by
from routenlp.backends.openai_compatible.events import Meter
from routenlp.backends.remote.sse import cut, data_of


class _Logprobs(msgspec.Struct):
    content: list[TokenLogprob] | None = None


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    logprobs: _Logprobs | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_NULL = msgspec.Raw(b"null")


class ScoredMeter(Meter):
    """Also collects what each token's probability is, and what the tokens say.

    Where something is said without log-probabilities, or with such as cannot be read, no prefix has a score from there
    on.
    """

    __slots__ = ("_said", "_scored", "_show_logprobs", "_sizes", "token_probs")

    def __init__(self, *, show_usage: bool, show_logprobs: bool) -> None:
        """`show_logprobs`: whether the client asked for them; else they are taken out of every event."""
        super().__init__(show_usage=show_usage)
        self._show_logprobs = show_logprobs
        self._scored: int | None = None
        """Tokens before the first words without a probability; None while there are none such."""
        self._said = bytearray()
        self._sizes: list[int] = []
        self.token_probs: list[float] = []
        """Of the tokens so far, without an end-of-text token."""

    def feed(self, data: bytes) -> bytes:
        """As `Meter.feed`."""
        whole, self._rest = cut(self._rest, data)
        return b"".join(self._shown(event) + b"\n\n" for event in whole if self._passes(event))

    def prefixes(self, after: int) -> Iterator[tuple[str, tuple[float, ...]]]:
        """What the tokens say, and their probabilities, for each number of tokens over `after`; no half characters."""
        end = sum(self._sizes[:after])
        last = len(self.token_probs) if self._scored is None else self._scored
        for tokens in range(after + 1, last + 1):
            end += self._sizes[tokens - 1]
            yield self._said[:end].decode("utf-8", "ignore"), tuple(self.token_probs[:tokens])

    def tokens(self) -> tuple[list[float], list[int]] | None:
        """Of each token its probability, and the bytes that it adds; None where something was said without."""
        return (self.token_probs, self._sizes) if self._scored is None else None

    def _passes(self, event: bytes) -> bool:
        passes = super()._passes(event)
        data = data_of(event)
        if data is not None and data != b"[DONE]":
            self._read(data)
        return passes

    def _read(self, data: bytes) -> None:
        try:
            choices = _CHUNK.decode(data).choices or []
        except (msgspec.DecodeError, RecursionError):
            self._no_score()
            return
        for choice in choices:
            tokens = choice.logprobs.content if choice.logprobs is not None else None
            if not tokens and choice.delta is not None and choice.delta.content:
                self._no_score()
            for token in tokens or ():
                self._take(token)

    def _no_score(self) -> None:
        if self._scored is None:
            self._scored = len(self.token_probs)

    def _take(self, token: TokenLogprob) -> None:
        if token.ends:
            return
        said = said_by(token)
        self.token_probs.append(token.probability)
        self._sizes.append(len(said))
        self._said += said

    def _shown(self, event: bytes) -> bytes:
        """Itself; without log-probabilities where the client asked for none."""
        if self._show_logprobs or b'"logprobs"' not in event:
            return event
        data = data_of(event)
        if data is None or data == b"[DONE]":
            return event
        fields = _RAW.decode(data)
        choices: list[dict[str, object]] = [dict(choice) for choice in _RAWS.decode(fields.get("choices", b"[]"))]
        for choice in choices:
            if choice.get("logprobs", _NULL) != _NULL:
                choice["logprobs"] = None
        return b"data: " + msgspec.json.encode({**fields, "choices": choices})
