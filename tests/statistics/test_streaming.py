"""Streams in simulated worlds: the certified target is met in every mode as often as promised, by known truth."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.bench.guarantees.run import most_misses
from routenlp.bench.streaming.measure import TARGET, course
from routenlp.bench.streaming.worlds import Spec, world
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.conformal.groups import row_units
from routenlp.replay.backtest.certify import Target
from routenlp.replay.streaming.certify import in_all
from routenlp.replay.streaming.ladder import BUFFERED, Mode, as_replays, buffered, ladder, play_all
from routenlp.replay.streaming.play import Rung, play

pytestmark = pytest.mark.slow
DRAWS = 1_000
SPECS = {
    "informative": Spec("", token_noise=1.0),
    "noisy": Spec("", apart=0.7, token_noise=2.5),
    "useless": Spec("", apart=0.0, row_noise=0.0),
    "graded, short": Spec("", graded=True, mean_tokens=15.0),
    "grouped": Spec("", group_rows=4),
}
MODES = {
    "commit": Mode(CommitPoint(8)),
    "sentence": Mode(CommitPoint(32, sentence=True)),
    "abort": Mode(None, 0.05),
    "both": Mode(CommitPoint(16), 0.05),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_the_target_is_met_as_often_as_promised(spec, mode):
    train, pool = world(spec, seed=11, population=6_000, training=800)
    found = course(train, pool, mode, labels=300 if spec.group_rows == 1 else 150, draws=DRAWS, seed=5)
    allowed = most_misses(DRAWS, len(SPECS) * len(MODES), TARGET.delta)
    assert int(found.misses[found.deployed].sum()) <= allowed


def test_joint_is_kept_over_the_whole_policy():
    train, pool = world(Spec(""), seed=2, population=6_000, training=800)
    target, draws, rng = Target("joint", alpha=0.10), 1_000, np.random.default_rng(0)
    rungs = ladder(train, Mode(CommitPoint(8)))
    modes = [as_replays(play_all(pool, each), pool) for each in (rungs, buffered(rungs))]
    lost = np.max([(one.cheap & (one.quality < 1.0)).mean(axis=1) for one in modes], axis=0)
    missed = 0
    for i in range(draws):
        rows = rng.integers(pool.n, size=300)
        verdict = in_all([one.rows(rows) for one in modes], target, row_units(300, seed=i), 1)
        missed += lost[verdict.selected] > target.alpha
    assert missed <= most_misses(draws, 1, target.delta)


def test_a_threshold_of_whole_answers_is_none_for_prefixes():
    """Why prefixes need thresholds of their own: those of whole answers release what misses the target."""
    train, pool = world(Spec("", token_noise=2.5), seed=4)
    certified = course(train, pool, BUFFERED, labels=1_000, draws=50, seed=1)
    limit = certified.rungs[int(np.median(certified.deployed))].limit
    misused = play(pool, Rung(limit, CommitRule(CommitPoint(2), limit)))
    assert misused.quality.mean() / pool.top_quality.mean() < 1.0 - TARGET.eps
