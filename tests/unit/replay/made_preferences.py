"""Preferences that follow from a made recording: of two answers the right one wins, else it is a tie."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.unit.replay.backtest.made_recording import MODELS, Columns

from routenlp.grading.preferences import Preference
from routenlp.training.preferences import Compared, ComparedQuery


def pairs_of(columns: Columns, *, seed: int = 0, with_texts: bool = True) -> list[dict[str, Any]]:
    """One comparison of a cheap tier with the top tier a query, the sides in any order."""
    rng = np.random.default_rng(seed)
    quality = {(q, m): v for q, m, v in zip(columns["query_id"], columns["model"], columns["quality"], strict=True)}
    said = {
        q: (task, text) for q, task, text in zip(columns["query_id"], columns["task"], columns["query"], strict=True)
    }
    rows = []
    for query_id, (task, text) in said.items():
        a, b = MODELS[int(rng.integers(0, 2))], MODELS[2]
        if rng.random() < 0.5:
            a, b = b, a
        won = quality[query_id, a] - quality[query_id, b]
        winner = "a" if won > 0 else "b" if won < 0 else "tie"
        row = {"query_id": query_id, "tier_a": a, "tier_b": b, "winner": winner, "task": task}
        rows.append({**row, "query": text} if with_texts else row)
    return rows


def compared(rows: list[dict[str, Any]]) -> Compared:
    """As `read_compared` reads them."""
    return Compared(
        tuple(Preference(r["query_id"], r["tier_a"], r["tier_b"], r["winner"]) for r in rows),
        tuple(ComparedQuery(r.get("task"), r.get("query"), r.get("group")) for r in rows),
    )
