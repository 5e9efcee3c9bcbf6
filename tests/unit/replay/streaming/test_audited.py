"""Commit rules on audits: as the machine would have streamed them, and proved in both modes or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.replay.streaming import made_streams as made

from routenlp.backends.generations import Generation
from routenlp.backends.kept_tokens import packed, unpacked
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.conformal.verdict import Status
from routenlp.replay.audited import AuditRow, play
from routenlp.replay.backtest.certify import Target
from routenlp.replay.rungs import LIMITS
from routenlp.replay.streaming.audited import paired, play_both, prove_streams
from routenlp.replay.streaming.audited_play import Pair, known, play_streams
from routenlp.replay.streaming.play import Rung
from routenlp.replay.streaming.through_machine import stream_query
from routenlp.types import Answer, Query

POLICY = made.policy(Rung(0.2))
RULE = CommitRule(CommitPoint(4), 0.2)
RUNGS = (None, *LIMITS)
TARGET = Target(eps=0.05)


def row_of(one: Generation, quality: float, *, tokens=True) -> AuditRow:
    """An audit of what was written; the score of the whole answer is the one that it had."""
    kept = unpacked(packed(one.answer, one.token_probs, one.token_bytes), one.answer) if tokens else None
    answers = {
        name: Answer(name, its.answer, None, its.input_tokens, its.output_tokens, usd, 0.1)
        for name, its, usd in (
            ("small", one, made.SMALL.cost_usd(one.input_tokens, one.output_tokens)),
            ("top", made.TOP_SAID, made.TOP.cost_usd(made.TOP_SAID.input_tokens, made.TOP_SAID.output_tokens)),
        )
    }
    scores = {"small": 1.0 - float(np.mean(one.token_probs)), "top": 0.1}
    gold = {"small": quality, "top": 1.0}
    its = {"small": kept} if kept is not None else {}
    return AuditRow(one.id, one.id, Query(one.id, "t", "x"), answers, scores, gold, None, None, its)


def generations(n, seed, *, fails=0.3):
    """Tokens are sure where the answer is right, and less so where it fails; on a grid that packing keeps exactly."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        bad = rng.random() < fails
        drawn = np.clip(rng.normal(0.6 if bad else 0.9, 0.08, rng.integers(2, 20)), 0.0, 1.0)
        yield made.said(seed * 10_000 + i, (np.rint(drawn * 65_535) / 65_535).tolist()), 0.0 if bad else 1.0


def rows(n, seed, **more):
    return [row_of(one, quality) for one, quality in generations(n, seed, **more)]


@pytest.mark.parametrize(
    "rule",
    [RULE, CommitRule(CommitPoint(4), 0.2, abort=0.35, abort_from=2), CommitRule(CommitPoint(8), None), None],
    ids=["commit", "abort", "set aside", "buffered"],
)
def test_it_is_what_the_machine_does(rule):
    every = list(generations(60, 1))
    ladder = [Pair(None, {}), Pair(0.2, {"small": rule} if rule else {})]
    found = play_streams(POLICY, "t", ladder, [row_of(one, quality) for one, quality in every])
    policy = made.policy(Rung(0.2), rule)
    for i, (one, _) in enumerate(every):
        trace = stream_query(policy, Query(one.id, "t", "x"), made.recorded(one)).trace
        assert made.TIERS[found.played.final[1, i]] == trace.answer.tier
        assert found.played.cost_usd[1, i] == pytest.approx(trace.cost_usd)
        assert found.released[1, i] == any(s.commit is not None and s.commit.released for s in trace.steps)


def test_without_commit_rules_it_is_the_walk_of_whole_answers():
    its = rows(40, 2)
    found = play_streams(POLICY, "t", [Pair(rung, {}) for rung in RUNGS], its)
    whole = play(POLICY.router, POLICY.stop_rule, "t", RUNGS, its)
    assert (found.played.final == whole.final).all()
    assert found.played.cost_usd == pytest.approx(whole.cost_usd)


def test_an_answer_whose_tokens_are_not_known_does_not_count():
    one, _ = next(generations(1, 3))
    assert known(row_of(one, 1.0), {"small": RULE})
    assert not known(row_of(one, 1.0, tokens=False), {"small": RULE})
    long = made.said(1, [0.9] * 600)
    assert known(row_of(long, 1.0), {"small": CommitRule(CommitPoint(512), 0.1)})
    assert not known(row_of(long, 1.0), {"small": CommitRule(CommitPoint(513), 0.1)})


def test_bolder_rungs_release_more_and_one_that_accepts_nothing_releases_nothing():
    ladder = paired(POLICY, "t", RUNGS, {"small": RULE}, rows(300, 4))
    limits = [pair.commits["small"].threshold for pair in ladder[1:]]
    assert limits == sorted(limits)
    assert limits[0] < 0.0 < limits[-1]
    assert ladder[0].commits == {}


def test_too_few_prefixes_give_no_thresholds():
    assert paired(POLICY, "t", RUNGS, {"small": RULE}, rows(20, 5)) is None


def proved(tested, guide):
    ladder = paired(POLICY, "t", RUNGS, {"small": RULE}, guide)
    played, guided = (play_both(POLICY, "t", ladder, part) for part in (tested, guide))
    return prove_streams(ladder, tested, played, guide, guided, TARGET, seed=0)


def test_what_holds_in_both_modes_is_proved():
    guide, tested = rows(200, 6), rows(500, 7)
    found = proved(tested, guide)
    assert found.verdict.status is Status.CERTIFIED
    assert found.pair.rung == RUNGS[found.step]
    assert found.pair.commits["small"].threshold > 0.0
    assert found.cost_ratio < 1.0
    assert found.released > 0.3


def test_a_judge_proves_it_where_people_graded_a_part():
    right = {"small": 1.0, "top": 1.0}

    def graded(its):
        return [
            replace(row, judged=row.gold or right, gold=row.gold if i % 2 else None, gold_propensity=0.5)
            for i, row in enumerate(its)
        ]

    guide, tested = graded(rows(300, 10)), graded(rows(900, 11))
    found = proved(tested, guide)
    assert found.verdict.status is Status.CERTIFIED
    assert (found.gold, found.verdict.n) == (450, 900)
    assert 0.0 <= found.lam <= 1.0


def test_prefixes_that_are_sure_of_what_fails_prove_nothing_of_streams():
    """Whole answers show what fails, late; their first tokens look like those of all others."""

    def late(n, seed):
        rng = np.random.default_rng(seed)
        for i in range(n):
            bad = rng.random() < 0.5
            yield row_of(made.said(seed * 10_000 + i, [0.9] * 4 + [0.1 if bad else 0.9] * 8), 0.0 if bad else 1.0)

    guide, tested = list(late(200, 8)), list(late(500, 9))
    found = proved(tested, guide)
    assert found.verdict.status is Status.UNCERTIFIED or found.released == 0.0
