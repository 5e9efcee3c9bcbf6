"""A commit rule for a policy that serves already, proved on recorded streams through the machine."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.replay.streaming import made_streams as made

from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing
from routenlp.conformal.certificate import issue
from routenlp.conformal.verdict import Status
from routenlp.errors import DataError
from routenlp.replay.backtest.certify import Target
from routenlp.replay.rungs import at_rung, rungs_of
from routenlp.replay.streaming.commit_policy import StreamRow, commit_policy
from routenlp.replay.streaming.play import Rung
from routenlp.types import Query, Task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = ("t", "small")
POINT = CommitPoint(4)


def rows(n, seed, *, fails=0.3):
    """Answers whose tokens are sure where they are right, and less so where they fail."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        bad = rng.random() < fails
        probs = np.clip(rng.normal(0.6 if bad else 0.9, 0.08, rng.integers(2, 20)), 0.0, 1.0)
        one = made.said(seed * 10_000 + i, probs.tolist())
        quality = {"small": 0.0 if bad else 1.0, "top": 1.0}
        out.append(StreamRow(Query(one.id, "t", "x"), one.id, made.recorded(one), quality))
    return out


def committed(calibrate, *, limit=0.2, point=POINT, policy=None, **more):
    served = policy or made.policy(Rung(limit))
    given = {"issued_at": NOW, "seed": 0, **more}
    return commit_policy(served, PLACE, point, rows(200, 1), calibrate, Target(eps=0.05), **given)


def test_what_is_proved_serves_with_a_certificate_of_its_own():
    found = committed(rows(600, 2))
    assert found.rule.point == POINT
    assert 0.0 < found.rule.threshold < 0.4
    assert found.policy.status("t") is Status.CERTIFIED
    changed = Committing(found.policy.stop_rule.rule, made.TIERS, {"t": {"small": replace(found.rule, threshold=0.9)}})
    assert replace(found.policy, stop_rule=changed).status("t") is Status.UNCERTIFIED


def test_where_whole_answers_miss_the_target_streams_prove_nothing():
    served = made.policy(Rung(1.0))
    found = committed(rows(600, 2), policy=served)
    assert found.rule is None
    assert found.policy is served


def test_bad_prefixes_prove_nothing():
    worse = [replace(row, quality={"small": 0.0, "top": 1.0}) for row in rows(400, 3)]
    assert committed(worse).rule is None


def test_an_abort_threshold_is_proved_with_it():
    found = committed(rows(600, 2), abort=0.5)
    assert found.rule.abort == 0.5
    assert found.policy.status("t") is Status.CERTIFIED


def test_a_point_that_no_answer_comes_to_is_an_error():
    with pytest.raises(DataError, match="earlier commit point"):
        committed(rows(10, 2), point=CommitPoint(50))


def test_other_tasks_keep_their_certificates_and_rules():
    plain = made.policy(Rung(0.2))
    tasks = {**plain.tasks, "other": Task("other", "none", 1.0, 1.0)}
    rule = CommitRule(CommitPoint(9), 0.1)
    bare = replace(plain, tasks=tasks, stop_rule=Committing(plain.stop_rule, made.TIERS, {"other": {"small": rule}}))
    verdict = committed(rows(600, 2)).verdict
    served = replace(bare, certificates={"other": issue("other", verdict, bare.proved_for(), NOW)})
    found = committed(rows(600, 2), policy=served)
    assert {task: found.policy.status(task) for task in tasks} == dict.fromkeys(tasks, Status.CERTIFIED)
    assert found.policy.stop_rule.of("other", "small") == rule


def test_a_certificate_of_a_pool_that_the_task_was_in_is_left_behind():
    plain = made.policy(Rung(0.2))
    bare = replace(plain, tasks={**plain.tasks, "other": Task("other", "none", 1.0, 1.0)})
    verdict = committed(rows(600, 2)).verdict
    pooled = issue("other", verdict, bare.proved_for(), NOW, ("t", "other"))
    found = committed(rows(600, 2), policy=replace(bare, certificates={"other": pooled}))
    assert set(found.policy.certificates) == {"t"}


def test_another_rung_of_whole_answers_leaves_the_streams_buffered():
    served = committed(rows(600, 2)).policy.stop_rule
    rungs = rungs_of(served, "t", None)
    assert rungs is not None
    assert not isinstance(at_rung(served, "t", rungs[3]), Committing)
