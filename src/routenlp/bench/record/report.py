"""Tables of what was recorded, from the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routenlp.bench.record.asked import DISTILLED, SMOLLM2, TUNED
from routenlp.bench.six_tasks.table import Table

FOLDS = ("train", "reranker", "calibrate", "gate", "test")
COLUMNS = {
    SMOLLM2: "smollm2, prompted",
    DISTILLED: "distilled from the tuned one",
    "likeliest": "tuned, likeliest answer",
    "agreed": "tuned, most agreed with",
    TUNED: "tuned, chosen by the reranker",
    "best there was": "best of the nine, by the reference",
}


def tables(manifest: Mapping[str, Any]) -> list[Table]:
    """One a task: mean ROUGE-L by fold."""
    return [
        Table(
            f"{task}: mean ROUGE-L of what was recorded",
            ("fold", "rows", *COLUMNS.values()),
            tuple(
                (
                    fold,
                    f"{of[fold]['rows']:,}",
                    *(f"{of[fold][name]:.3f}" if name in of[fold] else "–" for name in COLUMNS),
                )
                for fold in FOLDS
                if fold in of
            ),
        )
        for task, about in manifest["tasks"].items()
        for of in (about["rouge_l"],)
    ]
