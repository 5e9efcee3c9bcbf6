"""How much is learned and asked: what a card takes minutes for, and what two CPU cores can do in an hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from routenlp.bench.record.asked import SMOLLM2, Asked
from routenlp.training.distil.language_model import Tuning
from routenlp.types import Query

SEEDS = 5


@dataclass(frozen=True, slots=True)
class Size:
    """One way to run the bench."""

    lessons: Mapping[str, int]
    """By task."""
    tuning: Tuning
    judged: int
    """Held-out failures in the clusters that are asked, at most; drawn by hash."""
    rest: int
    """Of other held-out rows, in the clusters and outside."""
    most_tokens: Mapping[str, int]
    """Of an answer."""
    most_chars: int | None = None
    """Of a query's end, which is then asked without examples; None: asked as it was recorded."""

    def query(self, row: Asked, task: str) -> Query:
        """As the model is asked, in lessons and afterwards."""
        recorded = row.query(task, SMOLLM2)
        if self.most_chars is None:
            return recorded
        return replace(recorded, text=row.brief[-self.most_chars :], turns=())


_TUNING = Tuning(rank=16, epochs=3.0, learning_rate=5e-4, batch=8, most_tokens=4_096)
_MOST_TOKENS = {"cs_response": 80, "fin_summarisation": 192}
FULL = Size(
    {"cs_response": 300, "fin_summarisation": 100},
    _TUNING,
    300,
    50,
    _MOST_TOKENS,
)
FEW = replace(FULL, lessons={"cs_response": 100, "fin_summarisation": 50})
"""From fewer clusters: the fewer lessons, the rarer are those of a given cluster among random ones."""
SMALL = Size(
    {"cs_response": 64, "fin_summarisation": 32},
    Tuning(rank=16, epochs=1.0, learning_rate=1e-3, batch=4, most_tokens=1_024),
    96,
    0,
    {"cs_response": 40, "fin_summarisation": 96},
    300,
)
SIZES = {"full": FULL, "few": FEW, "small": SMALL}
