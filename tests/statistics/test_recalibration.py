"""Walks on audits in worlds whose truth is known: how often a policy over its target is deployed, with judges too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import binom

from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.conformal.verdict import Status
from routenlp.replay.audited import AuditRow, play, walk_audits
from routenlp.replay.backtest.certify import Target
from routenlp.replay.rungs import rungs_of
from routenlp.replay.wanted import Wanted
from routenlp.types import Answer, Query, Route

pytestmark = pytest.mark.slow

RUNS = 300
N = 300
EPS, DELTA = 0.1, 0.1
RULE = ThresholdCascade(("cheap", "top"), {})
RUNGS = rungs_of(RULE, "t", None)
WANTED = Wanted(Target(eps=EPS, delta=DELTA), Status.CERTIFIED)


@dataclass
class First:
    """Every query begins at the cheap tier."""

    def route(self, query):
        return Route("t", "cheap", (), "")


def world(rng, n, *, lenient=None, propensity=0.5):
    """Answers of score s are wrong with probability s; `lenient`: chance that a judge takes a wrong one for right."""
    rows = []
    for i in range(n):
        score = float(rng.random())
        gold = {"cheap": float(rng.random() >= score), "top": 1.0}
        judged = None
        if lenient is not None:
            judged = {tier: 1.0 if q or rng.random() < lenient else 0.0 for tier, q in gold.items()}
        drawn = lenient is None or rng.random() < propensity
        answers = {tier: Answer(tier, "", None, 1, 1, usd, 0.1) for tier, usd in (("cheap", 0.1), ("top", 1.0))}
        scores = {"cheap": score, "top": 0.0}
        query = Query(str(i), "t", "")
        chance = propensity if lenient is not None else None
        rows.append(AuditRow(str(i), str(i), query, answers, scores, gold if drawn else None, judged, chance))
    return rows


def true_loss(limit):
    """Share of the queries whose cheap answer is accepted and wrong, where scores are uniform."""
    return 0.0 if limit is None else limit**2 / 2.0


def walked(rng, **changes):
    rows, guide = world(rng, N, **changes), world(rng, 80, **changes)
    played = [play(First(), RULE, "t", RUNGS, part) for part in (rows, guide)]
    return walk_audits(rows, played[0], guide, played[1], None, WANTED, seed=int(rng.integers(1 << 31)))


@pytest.mark.parametrize("lenient", [None, 0.0, 0.9])
def test_a_policy_under_its_target_is_deployed_as_rarely_as_delta_says(lenient):
    rng = np.random.default_rng(1)
    runs = RUNS if lenient is None else 120
    found = [walked(rng, lenient=lenient) for _ in range(runs)]
    missed = sum(true_loss(RUNGS[walk.step]) > EPS for walk in found)
    assert missed <= binom.ppf(0.999, runs, DELTA)
    if lenient is None:
        assert sum(walk.step > 0 for walk in found) > 0.9 * runs, "and it saves in most worlds"


def test_a_judge_without_gold_proves_nothing():
    rng = np.random.default_rng(2)
    rows = world(rng, N, lenient=1.0, propensity=1e-9)
    played = play(First(), RULE, "t", RUNGS, rows)
    empty = play(First(), RULE, "t", RUNGS, [])
    found = walk_audits(rows, played, [], empty, None, WANTED, seed=1)
    assert found.step == 0
    assert found.verdict.status is Status.UNCERTIFIED
