"""The paper's main table: every system on the same rows, beside ours."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.bench.six_tasks.main_table import by_task, main_table, notes, reach_table
from routenlp.bench.six_tasks.rivals import OURS, RIVALS, Compared, compare, systems_of
from routenlp.replay.answered import rows_of
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.rows import Rows
from routenlp.replay.recorded import Recorded
from routenlp.replay.task_policies import fit_policies
from routenlp.types import Answer

TIERS, PRICES, LATENCIES_S = ("small", "large", "top"), (0.01, 0.1, 8.0), (0.01, 0.1, 0.9)


def fold(n: int, seed: int, *, confident: bool = True) -> tuple[Recorded, Rows]:
    """Easy queries (first feature high) are answered rightly by cheap tiers, which know it."""
    rng = np.random.default_rng(seed)
    easy = rng.uniform(size=n)
    right = np.stack([rng.uniform(size=n) < easy, rng.uniform(size=n) < 0.3 + 0.7 * easy, np.ones(n, bool)], axis=1)
    score = np.where(right, 0.1, 0.8) + rng.uniform(-0.1, 0.1, size=right.shape)
    score[:, -1] = np.nan
    if not confident:
        score[:] = np.nan
    ids = tuple(f"q{seed}-{i}" for i in range(n))
    answers = tuple(
        tuple(Answer(t, "a", None, 10, 1, p, s) for t, p, s in zip(TIERS, PRICES, LATENCIES_S, strict=True))
        for _ in ids
    )
    costs, latencies = np.tile(PRICES, (n, 1)), np.tile(LATENCIES_S, (n, 1))
    recorded = Recorded("t", TIERS, 1.0, ids, ids, answers, right.astype(float), score, costs, latencies)
    return recorded, rows_of(recorded, np.stack([easy, rng.normal(size=n)], axis=1).astype(np.float32))


def compared(*, confident: bool = True) -> Compared:
    (_, train), (_, calibrate), (recorded, test) = (
        fold(n, seed, confident=confident) for seed, n in enumerate((600, 300, 300))
    )
    ours = fit_policies(train, calibrate, Target(eps=0.03), seed=0)
    return compare(ours, test, recorded, sla_s=0.5, seed=0, advance=lambda _done, _all: None)


@pytest.fixture(scope="module")
def informed() -> Compared:
    return compared()


def test_every_system_of_the_papers_table_runs(informed: Compared) -> None:
    assert set(informed.runs) == {OURS, *RIVALS, "always:small", "always:large", "always:top"}


def test_routenlp_saves_most_of_the_bill_where_scores_tell_right_from_wrong(informed: Compared) -> None:
    cost, quality = informed.cost_ratio.estimates[OURS], informed.quality_ratio.estimates[OURS]
    assert cost is not None
    assert cost < 0.6
    assert quality is not None
    assert quality > 0.94


def test_latency_is_that_of_all_tiers_called(informed: Compared) -> None:
    run = informed.runs[OURS]
    assert set(np.round(run.latency_s, 6)) <= {
        round(sum(s for s, called in zip(LATENCIES_S, mask, strict=True) if called), 6)
        for mask in np.ndindex(2, 2, 2)
        if any(mask)
    }


def test_a_system_without_what_it_needs_is_named_and_left_out() -> None:
    bare = compared(confident=False)
    assert "automix" in bare.missing
    assert "automix" not in systems_of([bare])
    assert any("automix" in line for line in notes({"t": bare}))


def test_tables_have_a_row_for_each_system_and_task(informed: Compared) -> None:
    tasks = {"one": informed, "two": informed}
    systems = systems_of([informed])
    assert [row[0] for row in main_table(tasks).rows] == systems
    assert len(by_task(tasks).rows) == 2 * len(systems)
    assert [row[0] for row in reach_table(tasks).rows] == ["one", "two"]


def test_always_top_misses_the_sla_that_it_is_slower_than(informed: Compared) -> None:
    row = next(r for r in main_table({"t": informed}).rows if r[0] == "always:top")
    assert row[5].startswith("1.000")
