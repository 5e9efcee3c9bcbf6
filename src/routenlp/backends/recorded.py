"""Backend `recorded`: replays stored answers, such as a data set's human labels, as if a tier gave them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from statistics import NormalDist

from routenlp.backends.counted import counted
from routenlp.errors import BackendError
from routenlp.portfolio.tiers import Tier
from routenlp.types import Answer, Prediction, Query

MEDIAN_S = 0.800
P99_S = 1.847
"""The top tier's latency model: log-normal with this median and the paper's p99. A model, not a measurement."""


def modelled_latency_s(key: str) -> float:
    """A draw from the latency model, fixed by `key` (the query's id)."""
    digest = hashlib.sha256(f"latency\0{key}".encode("utf-8", "surrogatepass")).digest()
    uniform = (int.from_bytes(digest[:8]) + 0.5) / 2.0**64
    normal = NormalDist()
    sigma = math.log(P99_S / MEDIAN_S) / normal.inv_cdf(0.99)
    return MEDIAN_S * math.exp(sigma * normal.inv_cdf(uniform))


class RecordedBackend:
    """Hands out `answers` by query id. They carry no probabilities, so a threshold never accepts one."""

    def __init__(self, tier: Tier, answers: Mapping[str, str]) -> None:
        self._tier = tier
        self._answers = answers

    def has(self, query: Query) -> bool:
        """Whether the query was recorded."""
        return query.id in self._answers

    def answer(self, query: Query) -> Answer:
        """The stored answer; raises `BackendError` when there is none for this id."""
        text = self._answers.get(query.id)
        if text is None:
            raise BackendError(
                f"tier {self._tier.name!r}", f"has no recording of query {query.id!r}", "Record it, or use a live tier."
            )
        return counted(self._tier, query, Prediction(text, None), modelled_latency_s(query.id))
