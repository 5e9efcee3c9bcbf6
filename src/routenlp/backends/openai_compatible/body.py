"""The request that goes to an endpoint: the client's own, byte for byte but for the few fields that must differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from routenlp.backends.remote.dialect import Dialect

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TRUE, _FALSE = msgspec.Raw(b"true"), msgspec.Raw(b"false")


def dialect(key: str | None) -> Dialect:
    """Of chat completions."""
    return Dialect("/chat/completions", {"Authorization": f"Bearer {key}"} if key else {}, key)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an endpoint is asked for beside what the client wrote."""

    stream: bool
    """Cheap answers come whole, for they are held until they are accepted."""
    logprobs: bool = False
    """Ask for them although the client did not."""


def without(fields: Mapping[str, msgspec.Raw], names: Sequence[str]) -> Mapping[str, msgspec.Raw]:
    """`fields` but those of `names`, which the settings leave out for a tier that would refuse them."""
    return {name: raw for name, raw in fields.items() if name not in names} if names else fields


def upstream_body(fields: Mapping[str, msgspec.Raw], model: str, wanted: Wanted) -> bytes:
    """JSON of `fields`, with `model` in place of the client's. Values that need no change are not decoded.

    A stream always asks for usage, because what is not metered is not billed to anybody.
    """
    out: dict[str, object] = dict(fields)
    out["model"] = model
    if wanted.stream:
        out["stream"] = _TRUE
        out["stream_options"] = {**_options(fields), "include_usage": _TRUE}
    else:
        out.pop("stream_options", None)
        if "stream" in out:
            out["stream"] = _FALSE
    if wanted.logprobs:
        out["logprobs"] = _TRUE
    return msgspec.json.encode(out)


def _options(fields: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    raw = fields.get("stream_options")
    try:
        return _RAW.decode(raw) if raw is not None else {}
    except (msgspec.DecodeError, RecursionError):
        return {}
