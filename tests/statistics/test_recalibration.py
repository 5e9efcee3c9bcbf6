"""Walks on audits in worlds whose truth is known: how often a policy over its target is deployed, with judges too."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import binom

from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.conformal.verdict import Status
from routenlp.replay.audited import AuditRow, Played, play, walk_audits
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


def world(rng, n):
    """Answers of score s are wrong with probability s; people graded all."""
    rows = []
    for i in range(n):
        score = float(rng.random())
        gold = {"cheap": float(rng.random() >= score), "top": 1.0}
        answers = {tier: Answer(tier, "", None, 1, 1, usd, 0.1) for tier, usd in (("cheap", 0.1), ("top", 1.0))}
        scores = {"cheap": score, "top": 0.0}
        rows.append(AuditRow(str(i), str(i), Query(str(i), "t", ""), answers, scores, gold, None, None))
    return rows


def judged(rng, row, lenient, propensity=0.5):
    """A judge takes a wrong answer for right with the chance `lenient`; people graded a random part."""
    grades = {tier: 1.0 if q or rng.random() < lenient else 0.0 for tier, q in row.gold.items()}
    gold = row.gold if rng.random() < propensity else None
    return replace(row, gold=gold, judged=grades, gold_propensity=propensity)


@dataclass
class Population:
    """What every run draws its audits from, one by one and with replacement: so what it loses is the truth, and its
    policies need be run on it only once."""

    rows: list[AuditRow]
    played: Played

    def draw(self, rng, n, lenient):
        at = rng.integers(0, len(self.rows), size=n)
        rows = [replace(self.rows[j], id=str(i), group=str(i)) for i, j in enumerate(at.tolist())]
        rows = rows if lenient is None else [judged(rng, row, lenient) for row in rows]
        return rows, Played(self.played.final[:, at], self.played.cost_usd[:, at])

    def losses(self):
        """By policy, the share of the queries whose cheap answer is accepted and wrong."""
        wrong = np.array([1.0 - row.gold["cheap"] for row in self.rows])
        return ((self.played.final == 0) * wrong).mean(axis=1)


@pytest.fixture(scope="module")
def population():
    rows = world(np.random.default_rng(0), 10_000)
    return Population(rows, play(First(), RULE, "t", RUNGS, rows))


def walked(rng, population, lenient):
    (rows, played), (guide, guided) = (population.draw(rng, n, lenient) for n in (N, 80))
    return walk_audits(rows, played, guide, guided, None, WANTED, seed=int(rng.integers(1 << 31)))


@pytest.mark.parametrize("lenient", [None, 0.0, 0.9])
def test_a_policy_under_its_target_is_deployed_as_rarely_as_delta_says(population, lenient):
    rng = np.random.default_rng(1)
    runs = RUNS if lenient is None else 120
    found = [walked(rng, population, lenient) for _ in range(runs)]
    missed = sum(population.losses()[[walk.step for walk in found]] > EPS)
    assert missed <= binom.ppf(0.999, runs, DELTA)
    if lenient is None:
        assert sum(walk.step > 0 for walk in found) > 0.9 * runs, "and it saves in most worlds"


def test_a_judge_without_gold_proves_nothing():
    rng = np.random.default_rng(2)
    rows = [judged(rng, row, 1.0, propensity=1e-9) for row in world(rng, N)]
    played = play(First(), RULE, "t", RUNGS, rows)
    empty = play(First(), RULE, "t", RUNGS, [])
    found = walk_audits(rows, played, [], empty, None, WANTED, seed=1)
    assert found.step == 0
    assert found.verdict.status is Status.UNCERTIFIED
