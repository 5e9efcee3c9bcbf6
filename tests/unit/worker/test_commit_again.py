"""A task that commits is calibrated again on audits: its commit rule is proved anew, or set aside with the reason."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, field

import numpy as np
import pytest
from tests.gateway import running
from tests.unit.worker import made

from routenlp import wiring
from routenlp.backends.kept_tokens import packed
from routenlp.cascade.commit import CommitPoint, CommitRule
from routenlp.cascade.committing import Committing, commit_rule
from routenlp.conformal.verdict import Status
from routenlp.settings import load
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import audits, monitoring
from routenlp.store.sql.monitoring import Alarm
from routenlp.types import Answer
from routenlp.worker.audits import Asked
from routenlp.worker.calibration_split import split_audits
from routenlp.worker.labels import import_labels
from routenlp.worker.recalibration import Recalibrator

RIGHT = "it is right"
SIZES = (3, 3, 5)
RULE = CommitRule(CommitPoint(2), 0.25, abort=0.9)
NOW_S = made.NOW_S


@dataclass
class Streams(made.Says):
    """The small tier writes three tokens: those that are wrong show it in the first, or, where `late`, in the last."""

    late: bool = False
    null: frozenset = frozenset()
    """Of which queries it gives no probabilities."""
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    async def ask(self, tier, task, request):
        number = int(request["messages"][-1]["content"].split()[-1])
        wrong = tier == "small" and number % 3 == 0
        said = "it is wrong"[: len(RIGHT)] if wrong else RIGHT
        sure, unsure = 0.95 if self.late else self.rng.uniform(0.9, 1.0), self.rng.uniform(0.2, 0.5)
        probs = (sure, sure, unsure) if self.late else (unsure, unsure, sure)
        probs = probs if wrong else (sure, sure, sure)
        answer = Answer(tier, said, probs, 100, 3, made.PRICES[tier].cost_usd(100, 3), 0.2)
        tokens = packed(said, probs, SIZES) if tier == "small" and number not in self.null else None
        return Asked(answer, f"{tier}-2026", 1.0 - float(np.mean(probs)), tokens)


def audited(folder, says, n=300):
    records = [
        made.audited(i, request={"messages": [{"role": "user", "content": f"query {i}"}]}, served="", at_s=NOW_S + i)
        for i in range(n)
    ]
    connection = made.opened(folder, *records)
    connection.execute("PRAGMA synchronous = OFF")
    asyncio.run(made.runner(connection, says, clock=lambda: NOW_S + 2_000.0).run(n))
    lines = [("label", json.dumps({"id": record.id, "reference": RIGHT})) for record in records]
    import_labels(connection, lines, {"intent": "accuracy"}, made.CONTENT, grader="people", now_s=NOW_S)
    return connection


def recalibrator(folder, connection, *, streaming="commit", commit=RULE):
    running.write_policy(folder / "system", commit=commit)
    more = f"store: {{url: 'sqlite:///{folder}/s.db'}}"
    text = running.settings("http://127.0.0.1:1/v1", folder / "system", more=more)
    text = text.replace("intent: {metric: accuracy}", f"intent: {{metric: accuracy, eps: 0.2, streaming: {streaming}}}")
    settings, store = load(None, {}, default=text), folder / "s.db"
    return Recalibrator(settings, store, PolicyVersions(store, connection), connection, lambda: NOW_S + 5_000.0)


def calibrated(folder, says, **more):
    """The attempt, and the policy that serves after it."""
    again = recalibrator(folder, audited(folder, says), **more)
    (attempt,) = again.by_hand(["intent"])
    return attempt, wiring.serving_policy(again.settings).policy


def test_a_commit_rule_is_proved_again_with_the_rung_and_serves(tmp_path):
    attempt, policy = calibrated(tmp_path, Streams())
    found = attempt.evidence
    assert (attempt.result, found["commit"]["proved"]) == ("active", True)
    rule = commit_rule(policy.stop_rule, "intent", "small")
    assert rule.point == RULE.point
    assert rule.abort == RULE.abort
    assert rule.threshold == found["commit"]["thresholds"]["small"] > 0.0
    assert policy.status("intent") is Status.CERTIFIED
    certificate = policy.certificates["intent"]
    assert certificate.delta == found["level"] == found["commit"]["level"] == pytest.approx(0.1 * 0.75 * 0.25)
    assert found["cost_ratio"] < 1.0
    assert found["commit"]["released"] > 0.3


def test_after_an_alarm_audits_from_before_it_choose_the_thresholds(tmp_path):
    connection = audited(tmp_path, Streams())
    again = recalibrator(tmp_path, connection)
    evidence = {"guarantee": "quality_ratio", "target": 0.2, "audits_seen": 60}
    monitoring.raise_alarm(connection, Alarm("intent", NOW_S + 100.0, "p" * 64, evidence))
    (attempt,) = [a for a in again.look() if a.task == "intent"]
    assert (attempt.trigger, attempt.result) == ("alarm", "active")
    assert attempt.evidence["commit"]["proved"]
    assert (attempt.evidence["n"], attempt.evidence["guide"]) == (200, 100)
    assert commit_rule(wiring.serving_policy(again.settings).policy.stop_rule, "intent", "small").decides
    assert monitoring.open_alarms(connection) == {}


def test_other_tasks_keep_their_commit_rules(tmp_path):
    _, policy = calibrated(tmp_path, Streams())
    assert commit_rule(policy.stop_rule, "quick", "small") == RULE


def test_prefixes_that_say_nothing_leave_streams_buffered_with_the_reason(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "routenlp.worker"):
        attempt, policy = calibrated(tmp_path, Streams(late=True))
    found = attempt.evidence
    assert (attempt.result, found["commit"]["proved"], found["commit"]["tested"]) == ("active", False, True)
    assert "streams are to be buffered" in caplog.text
    rule = commit_rule(policy.stop_rule, "intent", "small")
    assert (rule.point, rule.decides) == (RULE.point, False)
    assert policy.status("intent") is Status.CERTIFIED
    assert found["level"] == pytest.approx(0.1 * 0.75), "whole answers are tested first"


def test_a_rule_that_was_set_aside_can_be_proved_again(tmp_path):
    attempt, policy = calibrated(tmp_path, Streams(), commit=CommitRule(RULE.point, None))
    assert attempt.evidence["commit"]["proved"]
    assert commit_rule(policy.stop_rule, "intent", "small").decides


@pytest.mark.parametrize(
    ("null", "why"),
    [(range(300), "audits have the token probabilities"), (range(10, 300, 10), "token probabilities are missing")],
)
def test_audits_without_probabilities_do_not_count(tmp_path, null, why):
    attempt, policy = calibrated(tmp_path, Streams(null=frozenset(null)))
    found = attempt.evidence["commit"]
    assert (found["proved"], found["tested"]) == (False, False)
    assert why in found["reason"]
    assert not commit_rule(policy.stop_rule, "intent", "small").decides


def test_audits_from_before_the_task_was_to_commit_are_not_missing(tmp_path):
    attempt, _ = calibrated(tmp_path, Streams(null=frozenset(range(60))))
    assert attempt.evidence["commit"]["proved"]
    assert attempt.evidence["commit"]["n"] < attempt.evidence["n"]


def test_where_the_settings_do_not_ask_for_it_streams_are_not_looked_at(tmp_path):
    attempt, policy = calibrated(tmp_path, Streams(), streaming="buffered")
    assert "commit" not in attempt.evidence
    assert not commit_rule(policy.stop_rule, "intent", "small").decides


def test_a_policy_without_commit_rules_gets_none(tmp_path):
    attempt, policy = calibrated(tmp_path, Streams(), commit=None)
    assert "commit" not in attempt.evidence
    assert not isinstance(policy.stop_rule, Committing)


def test_an_attempt_that_tested_streams_was_two_looks():
    found = type("Found", (), {"at_s": (1.0, 2.0), "rows": (1, 2)})()
    found.rows = tuple(type("Row", (), {"id": str(i), "gold": {}})() for i in range(2))
    looks = [{"last_s": 2.0, "n": 5}, {"last_s": 2.0, "n": 5, "commit": {"tested": True}}]
    assert split_audits(found, looks, 0.0, None).looks == 3


def test_tokens_of_a_text_that_is_redacted_are_not_kept(tmp_path):
    said = "write to ann@example.org"

    class Says(made.Says):
        async def ask(self, tier, task, request):
            asked = await super().ask(tier, task, request)
            return Asked(asked.answer, asked.model, asked.score, packed(asked.answer.text, [0.5], [len(said)]))

    connection = made.opened(tmp_path, made.audited(served=""))
    plain = "write to nobody at this".ljust(len(said), ".")
    asyncio.run(made.runner(connection, Says({"small": said, "mid": plain, "top": plain})).run(1))
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    kept = audits.read_audit(connection, name)
    assert set(kept.tokens) == {"mid", "top"}
    assert "ann@" not in kept.answers["small"]
