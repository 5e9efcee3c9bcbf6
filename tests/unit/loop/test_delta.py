"""What a turn may spend of the gate's delta."""

from __future__ import annotations

from routenlp.loop.delta import DELTA, Spent, next_level, row_keys


def spend(turns, rows):
    spent = []
    for turn in range(turns):
        spent.append(Spent(f"v{turn}", next_level(spent, rows), rows))
    return spent


def test_looks_at_the_same_rows_never_spend_more_than_delta():
    levels = [gate.level for gate in spend(40, row_keys(["a", "b"]))]
    assert levels[:3] == [DELTA / 2, DELTA / 4, DELTA / 8]
    assert sum(levels) < DELTA


def test_rows_that_nobody_looked_at_are_fresh():
    assert next_level(spend(5, row_keys(["a", "b"])), row_keys(["c"])) == DELTA / 2


def test_one_common_row_makes_it_the_same_fold():
    assert next_level(spend(1, row_keys(["a", "b"])), row_keys(["b", "c", "d"])) == DELTA / 4
