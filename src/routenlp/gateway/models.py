"""GET /v1/models: what a client may name as its model."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from routenlp.gateway.aim import AUTO
from routenlp.gateway.live import DEFAULT_TASK, Live


def model_names(live: Live) -> list[str]:
    """`auto`, `auto:TASK` of every task, and the tiers."""
    tasks = sorted(name for name in live.tasks if name != DEFAULT_TASK)
    return [AUTO, *(f"{AUTO}:{task}" for task in tasks), *live.tiers]


def model_list(live: Live) -> bytes:
    """In OpenAI's shape."""
    return msgspec.json.encode({"object": "list", "data": [_model(name) for name in model_names(live)]})


def one_model(live: Live, name: str) -> bytes | None:
    """None where there is none of this name."""
    return msgspec.json.encode(_model(name)) if name in model_names(live) else None


def _model(name: str) -> Mapping[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "routenlp"}
