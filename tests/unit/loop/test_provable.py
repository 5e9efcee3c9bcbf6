"""A task of which a turn could prove nothing is named before anything is learned, with what it lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.loop.compared_world import compared

from routenlp.loop.delta import Spent, row_keys
from routenlp.loop.gate import Bar, judge, rows_lacking
from routenlp.loop.provable import too_few
from routenlp.types import Example, Query

BAR = Bar(most_usd=1.2)


def rows(task, n):
    return [Example(Query(f"{task}-{i}", task, "text"), "right", f"{task}-{i}") for i in range(n)]


def gate_holds(n, level, groups=None, bar=BAR):
    return judge([compared(lost=np.zeros(n), groups=groups)], bar, level=level, seed=0).quality[0].holds


@pytest.mark.parametrize("level", [0.05, 0.0125, 1e-5])
def test_with_what_it_lacks_a_candidate_that_loses_nothing_passes_and_with_one_less_it_does_not(level):
    lacking = rows_lacking([f"g{i}" for i in range(10)], BAR, level=level, seed=0)
    needed = 10 + lacking
    assert rows_lacking([f"g{i}" for i in range(needed)], BAR, level=level, seed=0) == 0
    assert gate_holds(needed, level)
    assert rows_lacking([f"g{i}" for i in range(needed - 1)], BAR, level=level, seed=0) == 1 or needed > 250
    assert not gate_holds(min(needed, 250) - 1, level)


def test_rows_of_few_groups_lack_groups():
    bar = Bar(margin=0.3, rows_a_group=20)
    groups = [f"g{i % 20}" for i in range(200)]
    assert rows_lacking(groups, bar, level=0.05, seed=0) == 100, "ten groups of ten rows"
    more = [f"g{i % 30}" for i in range(300)]
    assert rows_lacking(more, bar, level=0.05, seed=0) == 0
    assert gate_holds(300, 0.05, more, bar)


def test_without_a_margin_no_number_of_rows_is_enough():
    bar = Bar(margin=0.0)
    assert rows_lacking(["a", "b"], bar, level=0.05, seed=0) is None
    (found,) = too_few({"t": rows("t", 2)}, [], bar, seed=0).values()
    assert "more than there can be" in found.reason


def test_a_task_with_few_rows_is_left_out_and_the_others_are_not():
    found = too_few({"few": rows("few", 10), "many": rows("many", 300)}, [], BAR, seed=0)
    assert set(found) == {"few"}
    assert (found["few"].rows, found["few"].level) == (10, 0.05)
    assert found["few"].reason == (
        f"Task few stays as it is: it has 10 gate rows, and it takes {found['few'].lacking} more to show that a turn "
        "does it no harm, at the level of 0.05 that is left to spend."
    )


def test_rows_in_groups_say_so():
    grouped = [replace(row, group=f"g{i // 4}") for i, row in enumerate(rows("t", 100))]
    found = too_few({"t": grouped}, [], BAR, seed=0)["t"]
    assert (found.rows, found.groups) == (100, 25)
    assert f"100 gate rows in 25 groups, and it takes {found.lacking} more in groups like these" in found.reason


def test_a_fold_that_was_looked_at_often_needs_more_rows():
    gate = {"t": rows("t", 130)}
    assert too_few(gate, [], BAR, seed=0) == {}
    spent = [Spent(f"v{i}", 0.1 / 2 ** (i + 1), row_keys(e.query.id for e in gate["t"])) for i in range(4)]
    assert too_few(gate, spent, BAR, seed=0)["t"].level == pytest.approx(0.1 / 32)


def test_looks_at_a_task_that_is_left_out_cost_the_others_nothing():
    gate = {"seen": rows("seen", 60), "fresh": rows("fresh", 130)}
    spent = [Spent(f"v{i}", 0.1 / 2 ** (i + 1), row_keys(e.query.id for e in gate["seen"])) for i in range(4)]
    assert set(too_few(gate, spent, BAR, seed=0)) == {"seen"}
