from __future__ import annotations

from routenlp.bench.guarantees.cells import Cell, pairwise_cells
from routenlp.bench.guarantees.run import Kept, Power
from routenlp.cli.guarantees import checks

CELL: Cell = pairwise_cells()[0]


def kept(misses: int) -> Kept:
    return Kept(CELL, "joint", misses, draws=100, allowed=20, always_top=0.0, bill=0.5)


def power(rule: str, n: int, *, bill: float = 0.4) -> Power:
    return Power(
        rule, n, 100, 0.05, 0.0, escalated=0.45, bill=bill, oracle_bill=0.38, best_bill=0.3, best_escalated=0.3
    )


def test_a_broken_promise_is_counted() -> None:
    (check,) = checks([kept(20), kept(21)], [])
    assert (check["value"], check["holds"]) == (1.0, False)


def test_power_is_checked_where_it_is_promised() -> None:
    found = checks(
        [kept(0)], [power("joint", 500), power("quality_ratio", 500), power("quality_ratio", 1_000, bill=0.5)]
    )
    names = [str(check["name"]) for check in found if not check["holds"]]
    assert len(found) == 6
    assert names == ["quality_ratio, n = 1000: bill over an oracle z-test's"]
