from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

from routenlp.bench.store.run import Turn, checks, run

GOOD = Turn(40_000.0, 30_000.0, 4.0, 6.0, 0.5, 70.0, 0)


def missed(turn: Turn) -> list[str]:
    return [str(check["name"]) for check in checks([turn]) if not check["holds"]]


def test_both_sides_store_every_row(tmp_path: Path) -> None:
    (turn,) = run(tmp_path, rows=200, turns=1, advance=lambda *_: None)
    for name in ("bare-0.db", "store-0.db", "paced-0.db"):
        connection = sqlite3.connect(tmp_path / name)
        assert connection.execute("SELECT count(*) FROM traces").fetchone() == (200,)
        connection.close()
    assert turn.dropped == 0
    assert min(turn.bare_rows_per_s, turn.rows_per_s, turn.settle_us) > 0


def test_each_promise_can_be_missed() -> None:
    assert missed(GOOD) == []
    assert missed(replace(GOOD, rows_per_s=1_000.0)) == ["times bare SQLite is faster"]
    assert missed(replace(GOOD, paced_cpu_us=900.0)) == ["processor time of one request, us"]
    assert missed(replace(GOOD, dropped=1)) == ["records dropped"]
