"""Tasks that are proved together: none of them keeps that proof when one is changed, and they are renewed together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.gateway import running
from tests.unit.worker import made
from tests.unit.worker.test_recalibration import BY_HAND, audits

from routenlp import wiring
from routenlp.cascade.decision import ALWAYS_TOP
from routenlp.cascade.per_task import rule_of
from routenlp.conformal.verdict import Method, Status, Verdict
from routenlp.drift.recalibration import Trigger
from routenlp.replay.rungs import KeptLadder
from routenlp.replay.wanted import Wanted
from routenlp.settings import load
from routenlp.store import policies
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import monitoring, recalibrations
from routenlp.store.sql.monitoring import Alarm
from routenlp.worker.recalibration import Reason, Recalibrator
from routenlp.worker.renewed import Renewal, write_renewed
from routenlp.worker.together import one_ladder, pool_of

NOW_S = made.NOW_S
POOL = ("intent", "quick")
EVIDENCE = {"guarantee": "quality_ratio", "target": 0.2, "audits_seen": 60}


def pooled(folder):
    """A policy whose certificates of intent and quick say something of both together, and that of private of itself."""
    path = running.write_policy(folder / "system")
    policy = policies.load(path / "policy", wiring.router_encoder(path / "router-encoder"))
    over = {task: replace(its, over=POOL if task in POOL else ()) for task, its in policy.certificates.items()}
    (path / "policy").rename(folder / "policy-before")
    policies.save(path / "policy", replace(policy, certificates=over))
    return path


def recalibrator(folder, connection, *, eps=0.2, handled_at=1.0):
    path = folder / "system" if (folder / "system").exists() else pooled(folder)
    text = running.settings("http://127.0.0.1:1/v1", path, more=f"store: {{url: 'sqlite:///{folder}/s.db'}}")
    text = text.replace("intent: {metric: accuracy}", "intent: {metric: accuracy, eps: 0.2}")
    text = text.replace("quick: {metric: accuracy, sla_ms: 300}", f"quick: {{metric: accuracy, eps: {eps}}}")
    text = text.replace("private: {metric: accuracy,", f"private: {{metric: accuracy, handled_at: {handled_at},")
    store = folder / "s.db"
    settings = load(None, {}, default=text)
    return Recalibrator(settings, store, PolicyVersions(store, connection), connection, lambda: NOW_S + 5_000.0)


def of_quick(connection, folder, numbers):
    """The same audits as `audits` makes, of the other task."""
    audits(folder, numbers)
    names = [name for (name,) in connection.execute("SELECT id FROM traces WHERE task = 'intent'").fetchall()]
    for name in names[-len(numbers) :]:
        for table, key in (("traces", "id"), ("audits", "trace_id")):
            connection.execute(f"UPDATE {table} SET task = 'quick' WHERE {key} = ?", (name,))


def both(folder, each=40):
    connection = audits(folder, range(each))
    of_quick(connection, folder, range(500, 500 + each))
    return connection


def _verdict(policy):
    """Of a test that passed, as of no one in particular."""
    return Verdict(
        rule="quality_ratio",
        target=0.2,
        delta=0.1,
        selected=1,
        tested_from=1,
        p_values=(0.01,),
        estimate=1.0,
        bound=0.9,
        n=80,
        groups=80,
        design_effect=None,
        method=Method.BETTING,
        status=Status.CERTIFIED,
        reason="",
    )


def test_another_rule_for_one_leaves_no_proof_of_the_others(tmp_path):
    """It goes on for a task that is proved by itself."""
    path = pooled(tmp_path)
    again = recalibrator(tmp_path, made.opened(tmp_path))
    before = again.in_force().policy
    renewal = Renewal(("intent",), 0.1, _verdict(before), datetime.fromtimestamp(NOW_S, UTC))
    done = write_renewed(path, tmp_path / "new", before, renewal, alarmed=())
    assert (done.carried, done.left_behind) == (("private",), ("quick",))
    assert done.certificates["intent"].over == ()
    after = wiring.serving_policy(again.settings, tmp_path / "new").policy
    assert after.status("quick") is Status.UNCERTIFIED


def test_one_with_an_open_alarm_leaves_no_proof_of_the_others(tmp_path):
    path = pooled(tmp_path)
    before = recalibrator(tmp_path, made.opened(tmp_path)).in_force().policy
    renewal = Renewal(("private",), 0.1, _verdict(before), datetime.fromtimestamp(NOW_S, UTC))
    done = write_renewed(path, tmp_path / "new", before, renewal, alarmed={"intent"})
    assert (done.carried, done.left_behind) == ((), ("intent", "quick"))


def test_they_are_renewed_together_on_the_audits_of_all(tmp_path):
    connection = both(tmp_path)
    again = recalibrator(tmp_path, connection, handled_at=0.9)
    assert [again.in_force().policy.status(task) for task in POOL] == [Status.UNCERTIFIED] * 2
    (attempt,) = [a for a in again.look() if a.task in POOL]
    assert (attempt.result, attempt.evidence["tasks"]) == ("active", list(POOL))
    assert attempt.evidence["n"] + attempt.evidence["guide"] == 80
    after = again.in_force().policy
    assert {task: after.certificates[task].over for task in POOL} == dict.fromkeys(POOL, POOL)
    assert [after.status(task) for task in POOL] == [Status.CERTIFIED] * 2
    rules = [rule_of(after.stop_rule, task) for task in POOL]
    assert rules[0].thresholds["intent"] == rules[1].thresholds["quick"]


def test_what_is_seen_and_not_proved_goes_on(tmp_path):
    path = pooled(tmp_path)
    before = recalibrator(tmp_path, made.opened(tmp_path)).in_force().policy
    seen = {task: replace(its, status=Status.EMPIRICAL) for task, its in before.certificates.items()}
    renewal = Renewal(("intent",), 0.1, _verdict(before), datetime.fromtimestamp(NOW_S, UTC))
    done = write_renewed(path, tmp_path / "new", replace(before, certificates=seen), renewal, alarmed=())
    assert done.carried == ("private", "quick")


def test_an_attempt_is_one_look_at_the_rows_of_each(tmp_path):
    again = recalibrator(tmp_path, both(tmp_path))
    levels = [again.attempt(reason).evidence["level"] for reason in (BY_HAND, Reason("quick", Trigger.HAND))]
    assert levels == pytest.approx([0.075, 0.01875])
    assert len(recalibrations.attempts(again.connection, "quick")) == 2


def test_by_hand_a_pool_is_tested_once(tmp_path):
    again = recalibrator(tmp_path, both(tmp_path))
    assert [(attempt.task, attempt.evidence["looks"]) for attempt in again.by_hand(["intent", "quick"])] == [
        ("intent", 0)
    ]


def test_after_an_alarm_of_one_only_later_audits_of_all_count(tmp_path):
    connection = both(tmp_path)
    again = recalibrator(tmp_path, connection)
    monitoring.raise_alarm(connection, Alarm("quick", NOW_S + 1_000.0, "p" * 64, EVIDENCE))
    (first,) = again.look()
    assert (first.task, first.result, first.evidence["guide"]) == ("quick", "too few labels", 80)
    audits(tmp_path, range(1_000, 1_060), at_s=NOW_S + 1_500.0)
    (second,) = again.look()
    assert (second.result, second.evidence["tasks"]) == ("active", list(POOL))
    assert monitoring.open_alarms(connection) == {}


def test_where_they_are_asked_different_things_by_now_each_stands_for_itself(tmp_path):
    again = recalibrator(tmp_path, both(tmp_path), eps=0.15)
    attempt = again.attempt(BY_HAND)
    assert (attempt.result, attempt.evidence["tasks"]) == ("active", ["intent"])
    assert attempt.evidence["left_behind"] == ["quick"]


def test_kept_ladders_are_walked_as_one(tmp_path):
    """Of as many policies, on the training rows of all; and no text that one was trained on calibrates any."""
    own = [_kept(rows, texts) for rows, texts in ((2, (1, 2)), (3, (2, 5)))]
    whole = one_ladder(own)
    assert (whole.quality.shape, whole.cost_usd.shape, whole.cheap.shape) == ((2, 5), (2, 5), (2, 5))
    assert (len(whole.top), len(whole.groups)) == (5, 5)
    assert set(whole.trained_on.tolist()) == {1, 2, 5}
    assert one_ladder([None, None]) is None


def _kept(rows, texts):
    wide = np.ones((2, rows), dtype=np.float32)
    groups, keys = np.arange(rows), np.array(texts, dtype=np.uint64)
    return KeptLadder((ALWAYS_TOP, ALWAYS_TOP), wide, wide > 0.0, wide, wide[0], groups, keys)


def test_tasks_with_other_tiers_are_in_no_pool(tmp_path):
    path = running.write_policy(tmp_path / "system")
    policy = policies.load(path / "policy", wiring.router_encoder(path / "router-encoder"))

    def pool(*over):
        found = {task: replace(its, over=over) for task, its in policy.certificates.items()}
        return pool_of(replace(policy, certificates=found), "intent", {}, lambda _: Wanted())

    assert pool("intent", "quick") == ("intent", "quick")
    assert pool("intent", "private") == ("intent",)
