from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.backtest.outcomes_world import world

from routenlp.replay.backtest.certify import replay_all
from routenlp.replay.backtest.ladder import fit_continuation
from routenlp.replay.backtest.rehearsal import rehearse


@pytest.fixture(scope="module")
def fitted():
    train = world(600, 0)
    return train, fit_continuation(train, 0)


def test_policies_are_rehearsed_on_estimates_that_had_not_seen_the_row(fitted):
    train, ladder = fitted
    rehearsed, flattered = rehearse(ladder, train, seed=0).replays, replay_all(ladder, train)
    assert rehearsed.quality.shape == flattered.quality.shape
    assert np.array_equal(rehearsed.quality[0], train.quality[:, -1])
    assert rehearsed.quality.mean() < flattered.quality.mean()


def test_its_units_are_those_of_the_training_rows(fitted):
    train, ladder = fitted
    shared = replace(train, groups=np.arange(train.n) // 3)
    assert not rehearse(ladder, train, seed=0).units.grouped
    assert rehearse(ladder, shared, seed=0).units.count == 200
