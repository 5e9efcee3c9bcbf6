"""Preferences beside outcomes: which are used, which are left out, and what they change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import MODELS, changed, only, recording
from tests.unit.replay.made_preferences import compared, pairs_of

from routenlp.conformal.verdict import Status
from routenlp.errors import DataError
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.trained import Means, Trained, train
from routenlp.replay.wanted import Wanted, WantedOfTasks

pytestmark = pytest.mark.slow


def trained(table: OutcomeTable, rows: list[dict[str, Any]] | None, tiers: Any = MODELS) -> Trained:
    means = Means(compared=None if rows is None else compared(rows))
    wanted = WantedOfTasks(Wanted(serve_when=Status.EMPIRICAL))
    return train(table, wanted, tiers=tiers, calibrate_most=None, seed=0, means=means)


@pytest.fixture(scope="module")
def table() -> OutcomeTable:
    return read_outcomes(recording(500))


def test_preferences_on_held_out_queries_are_left_out_and_counted(table: OutcomeTable) -> None:
    rows = pairs_of(recording(500), with_texts=False)
    at = fold_outcomes(table, seed=0)
    found = trained(table, rows)
    outside = table.n - len(at.train)
    assert f"{outside:,} preferences are on queries kept for calibration and tests, and are left out." in found.notes
    assert len(found.router.quality.parts().meta["parts"]) == 3  # type: ignore[arg-type]


def test_many_preferences_mend_few_outcomes() -> None:
    """A tenth of the queries graded, the rest compared: held-out log-loss of the cheap tiers falls or stays."""
    everything = recording(3_000)
    few = {name: values[: 3 * 300] for name, values in everything.items()}
    table = read_outcomes(few)
    others = [row for row in pairs_of(everything) if int(row["query_id"][1:]) >= 300]
    alone, beside = trained(table, None), trained(table, others)
    loss = [float(np.mean([fit.log_loss for fit in found.fits])) for found in (alone, beside)]
    assert loss[1] < loss[0] + 0.005


def test_models_that_are_no_tiers_are_left_out_and_counted(table: OutcomeTable) -> None:
    rows = pairs_of(recording(500), with_texts=False)
    found = trained(read_outcomes(only(recording(500), "small", "large")), rows, ("small", "large"))
    off = sum("mid" in (row["tier_a"], row["tier_b"]) for row in rows)
    assert f"{off:,} preferences are on models that are no tiers, and are left out." in found.notes


def test_a_text_of_another_conversation_is_kept_from_the_folds_that_judge() -> None:
    columns = recording(500, groups=50)
    table = read_outcomes(columns)
    at = fold_outcomes(table, seed=0)
    held_out, trains = table.groups[int(at.test[0])], table.groups[int(at.train[0])]
    row = {"tier_a": "small", "tier_b": "large", "winner": "a", "task": "ask", "query": "another one"}
    rows = [{**row, "query_id": "x1", "group": held_out}, {**row, "query_id": "x2", "group": trains}]
    found = trained(table, rows)
    assert "1 preferences are on queries kept for calibration and tests, and are left out." in found.notes


def test_a_query_that_nobody_knows_is_refused(table: OutcomeTable) -> None:
    rows = [{"query_id": "unknown", "tier_a": "small", "tier_b": "large", "winner": "a"}]
    with pytest.raises(DataError, match="no outcome and no text"):
        trained(table, rows)


def test_an_id_of_several_tasks_must_say_which() -> None:
    columns = recording(500)
    ids = [f"q{int(q[1:]) // 2}" for q in columns["query_id"]]
    table = read_outcomes(changed(columns, query_id=ids))
    rows = [{"query_id": "q1", "tier_a": "small", "tier_b": "large", "winner": "a"}]
    with pytest.raises(DataError, match="several tasks"):
        trained(table, rows)


def test_tasks_without_outcomes_are_left_out_and_counted(table: OutcomeTable) -> None:
    rows = pairs_of(recording(500), with_texts=False)
    strange = {"query_id": "x", "tier_a": "small", "tier_b": "large", "winner": "a", "task": "sing", "query": "la"}
    found = trained(table, [*rows, strange])
    assert "1 preferences are on tasks without outcomes, and are left out." in found.notes


def test_a_circle_beside_outcomes_does_no_harm(table: OutcomeTable) -> None:
    train_ids = [table.ids[int(i)] for i in fold_outcomes(table, seed=0).train]
    circle = [("small", "mid"), ("mid", "large"), ("large", "small")]
    rows = [{"query_id": q, "tier_a": a, "tier_b": b, "winner": "a"} for q in train_ids for a, b in circle]
    alone, beside = trained(table, None), trained(table, rows)
    for without, with_circle in zip(alone.fits, beside.fits, strict=True):
        assert with_circle.log_loss < without.log_loss + 0.02
