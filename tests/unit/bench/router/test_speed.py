"""The times that the router bench tells: what is timed, and that a second training is compared byte by byte."""

from __future__ import annotations

from itertools import count

import pytest
from tests.unit.replay.backtest.made_recording import recording

from routenlp.bench.router import speed
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.types import Query


@pytest.fixture(scope="module")
def table():
    return read_outcomes(recording(400))


@pytest.mark.slow
def test_training_is_timed_once_and_its_repeat_has_the_same_bytes(table):
    ticks = count()
    found, ready = speed.training(table, clock=lambda: float(next(ticks)))
    assert (found.queries, found.tiers) == (table.n, len(table.models))
    assert (found.train_s, found.load_s) == (1.0, 1.0)
    assert found.same_bytes
    assert 0.0 < found.artefact_mb < 20.0
    assert ready.router.route(Query("a", table.tasks[0], "some words")).estimates


@pytest.mark.slow
def test_other_bytes_are_told(table, monkeypatch):
    honest, seeds = speed.train, iter((0, 1))
    monkeypatch.setattr(speed, "train", lambda rows: honest(rows, seed=next(seeds)))
    found, _ = speed.training(table)
    assert not found.same_bytes


@pytest.mark.slow
def test_a_decision_is_the_median_of_single_queries_and_a_batch_is_counted_whole(table):
    ready = speed.train(table)
    ticks = count()
    found = speed.decision(ready, table, clock=lambda: float(next(ticks)))
    assert (found.short_p50_s, found.recorded_p50_s) == (1.0, 1.0)
    assert found.batch_per_s == speed.BATCH
    assert found.encoder == ready.encoder.name


@pytest.mark.slow
def test_any_encoder_can_be_trained_on(table):
    hashed = speed.train(table).encoder
    ready = speed.train_on(hashed, table)
    assert ready.router.encoder is hashed
    assert ready.surface.mean.shape == (5,)
