"""Claims are measured on held-out queries over several seeds, and judged by the interval."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from routenlp.bench.baselines.claims import CLAIMS, Claim
from routenlp.bench.baselines.curves import Recording
from routenlp.bench.baselines.reproduce import markdown, reproduce
from routenlp.replay.backtest.baselines.registry import BASELINES

MADE = Recording("made")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """300 queries to two models; the cheap one handles those about `easy` things."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(300):
        easy = bool(rng.integers(2))
        words = " ".join(rng.choice(["alpha", "beta", "gamma", "delta"], 6))
        text = f"{'easy plain' if easy else 'hard knotty'} {words}"
        query = {"query_id": f"q{number}", "query": text, "confidence": float(rng.uniform())}
        rows.append({**query, "model": "small", "quality": float(easy), "cost_usd": 0.1})
        rows.append({**query, "model": "big", "quality": float(rng.uniform() < 0.95), "cost_usd": 1.0})
    folder = tmp_path_factory.mktemp("outcomes")
    pq.write_table(pa.Table.from_pylist(rows), folder / "made.parquet")
    return folder


def apgr(name: str) -> Claim:
    return Claim(name, "made up", MADE, (name,), lambda found: found.apgr(name), figure=0.5)


def test_a_figure_holds_where_it_lies_in_the_interval(folder):
    random, learned = reproduce(folder, claims=[apgr("random_mix"), apgr("hybrid_llm")], seeds=3)
    assert random.holds
    assert random.ours.low < 0.5 < random.ours.high
    assert not learned.holds
    assert learned.ours.low > 0.6


def test_a_bound_holds_where_the_whole_interval_is_beyond_it(folder):
    claim = replace(apgr("hybrid_llm"), figure=None)
    low, high = reproduce(folder, claims=[replace(claim, at_least=b) for b in (0.6, 1.5)], seeds=3)
    assert (low.holds, high.holds) == (True, False)


def test_the_recording_may_be_cut_by_number(folder):
    few = replace(apgr("hybrid_llm"), recording=Recording("made", train=30))
    [row] = reproduce(folder, claims=[few], seeds=2)
    assert row.ours.estimate > 0.5


def test_the_table_names_every_claim(folder):
    rows = reproduce(folder, claims=[apgr("random_mix")], seeds=2)
    assert "| random_mix | made up | made |" in markdown(rows)


def test_every_baseline_has_a_claim():
    assert {claim.baseline for claim in CLAIMS} == set(BASELINES)


def test_a_claim_is_either_a_figure_or_a_bound():
    assert all((claim.figure is None) != (claim.at_least is None) for claim in CLAIMS)
    assert all(claim.baseline in claim.systems for claim in CLAIMS)
