"""Ladders of streaming policies, fixed on training rows, and one proof for both modes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routenlp.bench.streaming.worlds import Spec, world
from routenlp.cascade.commit import CommitPoint
from routenlp.conformal.verdict import Status
from routenlp.errors import SettingsError
from routenlp.replay.backtest.certify import Target
from routenlp.replay.streaming.certify import certify_streams, first_step, in_all, units_of
from routenlp.replay.streaming.ladder import (
    ALWAYS_TOP,
    BUFFERED,
    STEP,
    Mode,
    as_replays,
    buffered,
    ladder,
    play_all,
)
from routenlp.replay.streaming.play import play

COMMIT = Mode(CommitPoint(16))
TARGET = Target()


@pytest.fixture(scope="module")
def place():
    return world(Spec("of tests"), seed=3, population=1_500, training=1_000)


@pytest.mark.parametrize("mode", [BUFFERED, COMMIT, Mode(CommitPoint(8), 0.01), Mode(None, 0.01)], ids=str)
def test_a_ladder_begins_at_always_top_and_every_step_is_cheaper(place, mode):
    train, _ = place
    rungs = ladder(train, mode)
    cost = np.array([play(train, rung).cost_usd.sum() for rung in rungs]) / train.top_usd.sum()
    assert rungs[0] == ALWAYS_TOP
    assert len(rungs) > 5
    assert (np.diff(cost) <= -STEP + 1e-12).all()


def test_whoever_wants_whole_answers_is_served_without_commit_rules(place):
    train, _ = place
    assert all(rung.commit is None for rung in buffered(ladder(train, COMMIT)))


def test_an_early_abort_loses_at_most_its_share_of_wanted_answers(place):
    train, _ = place
    for with_abort in ladder(train, Mode(None, 0.05))[1:]:
        wanted = play(train, replace(with_abort, commit=None)).cheap
        left = play(train, with_abort).cheap
        assert not (left & ~wanted).any()
        assert left.sum() >= 0.95 * wanted.sum() - 1


def test_a_policy_is_proved_only_where_it_passes_in_both_modes(place):
    train, rows = place
    both = [as_replays(play_all(rows, each), rows) for each in (ladder(train, COMMIT), buffered(ladder(train, COMMIT)))]
    units = units_of(train.groups, rows.groups, 0)
    rehearsed = [
        as_replays(play_all(train, each), train) for each in (ladder(train, COMMIT), buffered(ladder(train, COMMIT)))
    ]
    start = first_step(rehearsed, TARGET, units_of(train.groups, train.groups, 0), units)
    alone = [in_all([one], TARGET, units, start).selected for one in both]
    together = in_all(both, TARGET, units, start)
    assert together.selected == min(alone) > 0
    assert together.status is Status.CERTIFIED


def test_the_proof_names_the_policy_to_deploy(place):
    train, rows = place
    proved = certify_streams(train, rows, COMMIT, TARGET, seed=0)
    assert proved.rung == ladder(train, COMMIT)[proved.verdict.selected]
    assert proved.rung.commit.point == CommitPoint(16)
    assert proved.verdict.bound >= 1.0 - TARGET.eps


def test_joint_is_walked_too_and_other_rules_are_refused(place):
    train, rows = place
    assert certify_streams(train, rows, COMMIT, Target("joint"), seed=0).verdict.rule == "joint"
    with pytest.raises(SettingsError, match="quality_ratio or joint"):
        certify_streams(train, rows, COMMIT, Target("conditional"), seed=0)


def test_a_useless_cheap_tier_leaves_the_top_one(place):
    train, rows = place
    bad = replace(rows, quality=np.zeros(rows.n))
    assert certify_streams(train, bad, COMMIT, TARGET, seed=0).rung == ALWAYS_TOP


def test_without_rows_nothing_is_proved(place):
    train, rows = place
    none = rows.take(np.arange(0))
    assert certify_streams(train, none, COMMIT, TARGET, seed=0).rung == ALWAYS_TOP


def test_groups_are_the_units_where_rows_share_one(place):
    train, rows = place
    grouped = replace(rows, groups=rows.groups // 3)
    found = certify_streams(replace(train, groups=train.groups // 3), grouped, COMMIT, TARGET, seed=0)
    assert found.verdict.groups == 500
