"""Recalibrations of a task that commits, in worlds whose truth is known: how often what is deployed misses its target.

Whole answers are walked first, then both modes at the next look's share of delta. Whichever of the two is deployed, it
must hold in every mode that it serves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.unit.replay.streaming import made_streams as made
from tests.unit.replay.streaming.test_audited import POLICY, RULE, RUNGS, row_of

from routenlp.bench.guarantees.run import most_misses
from routenlp.conformal.verdict import Status
from routenlp.drift.recalibration import level
from routenlp.replay.audited import AuditRow, Played, walk_audits
from routenlp.replay.backtest.certify import Target
from routenlp.replay.streaming.audited import BothModes, paired, play_both, prove_streams
from routenlp.replay.streaming.audited_play import Pair, StreamsPlayed
from routenlp.replay.wanted import Wanted

pytestmark = pytest.mark.slow
EPS, DELTA, ROWS = 0.1, 0.3, 150
SURE, UNSURE = [0.95] * 4, [0.2] * 4


@dataclass
class Population:
    """What runs draw their audits from, one by one and with replacement, so that every policy runs on it only once."""

    rows: list[AuditRow]
    played: BothModes

    def draw(self, rng, n):
        at = rng.integers(len(self.rows), size=n)
        rows = [replace(self.rows[j], id=str(i), group=str(i)) for i, j in enumerate(at.tolist())]
        return rows, BothModes(taken(self.played.streams, at), taken(self.played.whole, at))


def taken(its, at):
    played = Played(its.played.final[:, at], its.played.cost_usd[:, at])
    return StreamsPlayed(played, its.asked[:, at], its.released[:, at])


def population(rows, ladder):
    return Population(rows, play_both(POLICY, "t", ladder, rows))


def at_the_edge(mode):
    """One answer in ten is wrong. In `mode` nothing shows it, so that a policy that gives all out is just at its
    target; the other mode sees it at once."""
    rows = []
    for i in range(1_000):
        wrong = i % round(1.0 / EPS) == 0
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

    every = population(at_the_edge(mode), ladder)

    def audits(n):
        rows, played = every.draw(rng, n)
        return (rows if graders == "people" else judged(rng, rows)), played

    guide, target = audits(60), Target(eps=EPS, delta=DELTA)
    passed = [prove_streams(ladder, *audits(ROWS), *guide, target, seed=draw).step for draw in range(draws)]
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


def true_ratios(every):
    """Of each policy, the quality ratio streamed and whole, whichever is less; and whole."""
    small = np.array([row.gold["small"] for row in every.rows])
    streamed, whole = (
        np.where(mode.played.final == 0, small, 1.0).mean(axis=1) for mode in (every.played.streams, every.played.whole)
    )
    return np.minimum(streamed, whole), whole


def test_what_both_looks_deploy_misses_its_target_as_seldom_as_promised():
    rng, draws = np.random.default_rng(17), 60
    rows, guide = world(rng, 3_000, 0.3), world(rng, 120, 0.3)
    ladder = paired(POLICY, "t", RUNGS, {"small": RULE}, guide)
    every, guided = population(rows, ladder), play_both(POLICY, "t", ladder, guide)
    both, whole = true_ratios(every)
    missed = committed = 0
    for draw in range(draws):
        rows, played = every.draw(rng, ROWS)
        first, second = (Target(eps=EPS, delta=level(DELTA, look)) for look in (0, 1))
        wanted, walks = Wanted(first, Status.CERTIFIED), (played.whole.played, guided.whole.played)
        step = walk_audits(rows, walks[0], guide, walks[1], None, wanted, seed=draw).step
        streams = prove_streams(ladder, rows, played, guide, guided, second, seed=draw) if step else None
        commits = streams is not None and streams.verdict.status is Status.CERTIFIED
        committed += commits
        missed += both[streams.step] < 1.0 - EPS if commits else whole[step] < 1.0 - EPS
    assert missed <= most_misses(draws, 1, DELTA)
    assert committed > draws / 2
    assert min(both) < 1.0 - EPS < max(both[1:]), "there is something to miss, and something to prove"
