"""Recalibrations of a task that commits, in worlds whose truth is known: how often what is deployed misses its target.

Whole answers are walked first, then both modes at the next look's share of delta. Whichever of the two is deployed, it
must hold in every mode that it serves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.streaming import made_streams as made
from tests.unit.replay.streaming.test_audited import POLICY, RULE, RUNGS, row_of

from routenlp.bench.guarantees.run import most_misses
from routenlp.conformal.verdict import Status
from routenlp.drift.recalibration import level
from routenlp.replay.audited import play, walk_audits
from routenlp.replay.backtest.certify import Target
from routenlp.replay.streaming.audited import paired, prove_streams
from routenlp.replay.streaming.audited_play import Pair, play_streams
from routenlp.replay.wanted import Wanted

pytestmark = pytest.mark.slow
EPS, DELTA, ROWS = 0.1, 0.3, 150
SURE, UNSURE = [0.95] * 4, [0.2] * 4


def at_the_edge(rng, n, mode):
    """One answer in ten is wrong. In `mode` nothing shows it, so that a policy that gives all out is just at its
    target; the other mode sees it at once."""
    rows = []
    for i in range(n):
        wrong = rng.random() < EPS
        early, late = (SURE, UNSURE) if mode == "streamed" else (UNSURE, [0.99] * 40)
        rows.append(row_of(made.said(i, early + late if wrong else SURE + [0.95] * 4), float(not wrong)))
    return rows


def judged(rng, rows):
    """A judge takes all answers for right; people graded a random half of them."""
    right = {"small": 1.0, "top": 1.0}
    by_people = [row.gold if rng.random() < 0.5 else None for row in rows]
    return [
        replace(row, gold=gold, judged=right, gold_propensity=0.5) for row, gold in zip(rows, by_people, strict=True)
    ]


@pytest.mark.parametrize(
    ("mode", "rung", "limit", "graders"),
    [("streamed", 0.2, 1.0, "people"), ("whole", 1.0, 0.2, "people"), ("streamed", 0.2, 1.0, "judge")],
)
def test_a_policy_at_the_edge_in_one_mode_passes_as_seldom_as_promised(mode, rung, limit, graders):
    rng, draws = np.random.default_rng(3), 300
    ladder = (Pair(None, {}), Pair(rung, {"small": replace(RULE, threshold=limit)}))

    def audits(n):
        rows = at_the_edge(rng, n, mode)
        return rows if graders == "people" else judged(rng, rows)

    guide, target = audits(60), Target(eps=EPS, delta=DELTA)
    passed = [prove_streams(POLICY, "t", ladder, audits(ROWS), guide, target, seed=draw).step for draw in range(draws)]
    assert 0 < sum(passed) <= most_misses(draws, 3, DELTA)


def world(rng, n, tells):
    """Answers of ten tokens: wrong as often as their tokens are unsure, which the first ones show as far as they
    tell."""
    rows = []
    for i in range(n):
        unsure = rng.uniform(0.0, 0.6)
        shows = np.where(np.arange(10) < 4, tells * unsure + (1.0 - tells) * rng.uniform(0.0, 0.6), unsure)
        probs = np.clip(1.0 - shows + rng.normal(0.0, 0.05, 10), 0.0, 1.0)
        rows.append(row_of(made.said(i, probs.tolist()), float(rng.random() >= unsure)))
    return rows


def true_ratios(ladder, rows):
    """Of each policy, the quality ratio streamed and whole, whichever is less; and whole."""
    modes = (ladder, [Pair(pair.rung, {}) for pair in ladder])
    small = np.array([row.gold["small"] for row in rows])
    streamed, whole = (
        np.where(play_streams(POLICY, "t", mode, rows).played.final == 0, small, 1.0).mean(axis=1) for mode in modes
    )
    return np.minimum(streamed, whole), whole


def test_what_both_looks_deploy_misses_its_target_as_seldom_as_promised():
    rng, draws = np.random.default_rng(17), 60
    population, guide = world(rng, 3_000, 0.3), world(rng, 120, 0.3)
    ladder = paired(POLICY, "t", RUNGS, {"small": RULE}, guide)
    both, whole = true_ratios(ladder, population)
    guided = play(POLICY.router, POLICY.stop_rule, "t", RUNGS, guide)
    missed = committed = 0
    for draw in range(draws):
        rows = [population[i] for i in rng.integers(len(population), size=ROWS)]
        first, second = (Target(eps=EPS, delta=level(DELTA, look)) for look in (0, 1))
        played = play(POLICY.router, POLICY.stop_rule, "t", RUNGS, rows)
        step = walk_audits(rows, played, guide, guided, None, Wanted(first, Status.CERTIFIED), seed=draw).step
        streams = prove_streams(POLICY, "t", ladder, rows, guide, second, seed=draw) if step else None
        commits = streams is not None and streams.verdict.status is Status.CERTIFIED
        committed += commits
        missed += both[streams.step] < 1.0 - EPS if commits else whole[step] < 1.0 - EPS
    assert missed <= most_misses(draws, 1, DELTA)
    assert committed > draws / 2
    assert min(both) < 1.0 - EPS < max(both[1:]), "there is something to miss, and something to prove"
