"""Parts of a table: rows, tasks and models."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.replay.outcomes.made import columns, rows

from routenlp.errors import SettingsError
from routenlp.replay.outcomes.reading import read_outcomes


@pytest.fixture
def table():
    recorded = [
        one
        | {"task": f"t{i % 2}", "query": one["query_id"].upper(), "confidence": None if one["model"] == "b" else i / 30}
        for i, one in enumerate(rows(10, "a", "b", "c"))
    ]
    return read_outcomes(columns([one | {"task": f"t{int(one['query_id'][1:]) % 2}"} for one in recorded]))


def test_rows_are_chosen_by_position_or_by_mask(table):
    chosen = table.rows(np.array([3, 1]))
    assert (chosen.ids, chosen.texts) == ((table.ids[3], table.ids[1]), (table.texts[3], table.texts[1]))
    assert np.array_equal(chosen.quality, table.quality[[3, 1]])
    assert table.rows(np.arange(10) == 1).ids == (table.ids[1],)


def test_a_task_is_its_rows(table):
    assert table.task_names == ("t0", "t1")
    assert table.task("t1").ids == ("q1", "q3", "q5", "q7", "q9")


def test_models_are_chosen_in_the_order_given(table):
    chosen = table.with_models(["c", "a"])
    assert chosen.models == ("c", "a")
    assert np.array_equal(chosen.cost_usd, table.cost_usd[:, [2, 0]])


@pytest.mark.parametrize("names", [["a", "x"], ["a", "a"]])
def test_models_must_be_there_and_be_named_once(table, names):
    with pytest.raises(SettingsError, match="tiers"):
        table.with_models(names)


def test_means_and_confidences_are_told_by_model(table):
    assert table.mean_cost_usd.tolist() == [1.0, 2.0, 3.0]
    assert table.mean_quality.tolist() == table.quality.mean(axis=0).tolist()
    assert (table.without_confidence, table.constant_confidence) == (("b",), ())
