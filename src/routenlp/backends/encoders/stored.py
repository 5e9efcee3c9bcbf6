"""Encoders as they are stored with a router."""

from __future__ import annotations

from collections.abc import Callable

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.backends.encoders.joined import JoinedEncoder
from routenlp.backends.encoders.middle import MiddleLayer
from routenlp.backends.encoders.minilm import MiniLM
from routenlp.backends.encoders.static import StaticEncoder
from routenlp.contracts import StoredEncoder
from routenlp.errors import ArtefactError
from routenlp.types import Parts

Weights = Callable[[], MiniLM]
"""Gives the sentence encoder, which no router is stored with. Raises `MissingData` where there are no weights."""


def encoder_from_parts(parts: Parts, weights: Weights) -> StoredEncoder:
    """The inverse of an encoder's `parts`; `weights` is called only where the sentence encoder takes part.

    Raises `ArtefactError` for a kind that there is not, and for parts of another sentence encoder than the one given.
    """
    if parts.kind == HashedEncoder.KIND:
        return HashedEncoder.from_parts(parts)
    if parts.kind == StaticEncoder.kind:
        return StaticEncoder.from_parts(parts)
    if parts.kind == MiddleLayer.KIND:
        return _middle(parts, weights)
    if parts.kind == JoinedEncoder.KIND:
        return JoinedEncoder.from_parts(parts, lambda inner: encoder_from_parts(inner, weights))
    raise ArtefactError("encoder", f"is of kind {parts.kind!r}", "Update routenlp to read it.")


def _middle(parts: Parts, weights: Weights) -> MiddleLayer:
    encoder = MiddleLayer(weights())
    if parts.meta.get("name") != encoder.name:
        problem = f"is {parts.meta.get('name')!r}, and the weights here make {encoder.name!r}"
        raise ArtefactError("encoder", problem, "Use the weights it was trained with, or train the router again.")
    return encoder
