"""A trained encoder as what serves it: an ONNX graph and its tokenizer, to be stored and read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from routenlp.backends.encoders.cls_token import KIND, MAX_TOKENS
from routenlp.errors import SettingsError
from routenlp.training.minilm_graph import float_graph, int8_graph
from routenlp.types import Parts

Precision = Literal["float32", "int8"]
"""float32 gives torch's estimates to 1e-4; int8 is half the size and faster, and moves some estimates by .06."""
_GRAPHS = {"float32": float_graph, "int8": int8_graph}


def encoder_parts(
    tensors: Mapping[str, NDArray[Any]],
    tokenizer_json: str,
    *,
    precision: Precision = "float32",
    max_tokens: int = MAX_TOKENS,
) -> Parts:
    """For `store.artefacts.write`; `ClsToken.from_parts` reads it. `tensors`: `FineTuned.tensors`, or the published.

    Raises `SettingsError` without the extra `offline`, `CorruptData` where a tensor is absent.
    """
    try:
        import onnx  # noqa: F401 - better missed here than halfway
    except ImportError as exc:
        raise SettingsError("encoder", f"{exc.name} is not installed", "Install routenlp[offline].") from exc
    graph = _GRAPHS[precision](tensors).SerializeToString(deterministic=True)
    arrays: dict[str, NDArray[np.generic]] = {
        "graph": np.frombuffer(graph, dtype=np.uint8),
        "tokenizer": np.frombuffer(tokenizer_json.encode("utf-8"), dtype=np.uint8),
    }
    return Parts(KIND, arrays, {"max_tokens": max_tokens, "precision": precision})
