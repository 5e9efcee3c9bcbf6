"""When a task is calibrated again, on what, and what is on record of it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import shutil
from datetime import UTC, datetime

import msgspec
import pytest
from tests.gateway import running
from tests.unit.worker import made

from routenlp import wiring
from routenlp.cli.alarms import words
from routenlp.conformal.verdict import Status
from routenlp.drift.recalibration import Trigger
from routenlp.errors import LockHeld
from routenlp.gateway.live import served_tasks
from routenlp.gateway.standing import standings
from routenlp.settings import load
from routenlp.store import policies
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import judging, monitoring, recalibrations
from routenlp.store.sql.audits import Grade, put_grades, read_audit
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.turn_lock import hold
from routenlp.worker.labels import gold_draw, import_labels
from routenlp.worker.recalibration import Reason, Recalibrator

NOW_S = made.NOW_S
RIGHT = "served by top"
BY_HAND = Reason("intent", Trigger.HAND)


def audits(folder, numbers, *, at_s=NOW_S):
    """Graded audits on which every tier is right, and small is sure of it."""
    records = [
        made.audited(i, request={"messages": [{"role": "user", "content": f"query {i}"}]}, served="top", at_s=at_s + i)
        for i in numbers
    ]
    connection = made.opened(folder, *records)
    says = made.Says({"small": RIGHT, "mid": RIGHT})
    asyncio.run(made.runner(connection, says, clock=lambda: at_s + 2_000.0).run(len(records)))
    lines = [("label", json.dumps({"id": record.id, "reference": RIGHT})) for record in records]
    import_labels(connection, lines, {"intent": "accuracy"}, made.CONTENT, grader="people", now_s=at_s)
    return connection


def recalibrator(folder, connection, *, more="", prices=None, handled_at=1.0):
    policy = folder / "system"
    if not policy.exists():
        running.write_policy(policy)
    text = running.settings("http://127.0.0.1:1/v1", policy, more=f"store: {{url: 'sqlite:///{folder}/s.db'}}\n{more}")
    text = text.replace("intent: {metric: accuracy}", "intent: {metric: accuracy, eps: 0.2}")
    text = text.replace("private: {metric: accuracy,", f"private: {{metric: accuracy, handled_at: {handled_at},")
    if prices is not None:
        text = text.replace("input_usd_per_mtok: 100.0", f"input_usd_per_mtok: {prices}")
    store = folder / "s.db"
    settings = load(None, {}, default=text)
    return Recalibrator(settings, store, PolicyVersions(store, connection), connection, lambda: NOW_S + 5_000.0)


def status(again):
    return wiring.serving_policy(again.settings).policy.status("intent")


def test_a_certificate_that_holds_gives_no_reason(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(40)))
    assert status(again) is Status.CERTIFIED
    assert again.look() == []


def test_another_way_of_grading_voids_it_and_stored_audits_renew_it_at_once(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(60)), handled_at=0.9)
    assert status(again) is Status.UNCERTIFIED
    found = {attempt.task: attempt for attempt in again.look()}
    assert found["intent"].trigger == "voided certificate"
    assert found["intent"].result == "active"
    assert found["intent"].evidence["gold"] == found["intent"].evidence["n"]
    assert status(again) is Status.CERTIFIED
    assert found["intent"].evidence["left_behind"] == ["private", "quick"], "they have no audit to be renewed on"
    moves = again.versions.moves(found["intent"].version)
    assert [str(move.after) for move in moves] == ["draft", "calibrated", "active"]
    assert moves[-1].evidence["trigger"] == "voided certificate"


def test_at_new_prices_what_was_proved_of_the_same_answers_goes_on_without_an_audit(tmp_path):
    connection = made.opened(tmp_path)
    again = recalibrator(tmp_path, connection, prices=250.0)
    assert status(again) is Status.UNCERTIFIED
    found = again.look()
    assert [(a.task, a.trigger, a.result) for a in found] == [
        (task, "voided certificate", "active") for task in ("intent", "private", "quick")
    ]
    assert not any(a.tested for a in found), "nothing was looked at"
    assert status(again) is Status.CERTIFIED
    assert again.look() == []
    before, after = (version.summary for version in again.versions.all())
    assert before["parts"]["stop_rule"] == after["parts"]["stop_rule"]


def test_a_task_with_an_open_alarm_does_not_go_on_at_new_prices(tmp_path):
    connection = made.opened(tmp_path)
    again = recalibrator(tmp_path, connection, prices=250.0)
    evidence = {"guarantee": "quality_ratio", "target": 0.2, "audits_seen": 60}
    monitoring.raise_alarm(connection, Alarm("intent", NOW_S + 1_000.0, "p" * 64, evidence))
    went_on = [a.task for a in again.look() if a.result == "active"]
    assert went_on == ["private", "quick"]
    assert status(again) is Status.UNCERTIFIED
    assert set(monitoring.open_alarms(connection)) == {"intent"}


def test_too_few_labels_keep_what_serves_and_the_next_attempt_waits_for_them(tmp_path):
    connection = audits(tmp_path, range(5))
    again = recalibrator(tmp_path, connection, handled_at=0.9)
    first = next(a for a in again.look() if a.task == "intent")
    assert (first.result, first.version) == ("too few labels", None)
    assert first.evidence["labels_needed"] > 0
    assert not first.tested
    assert again.versions.pointer().active is None
    assert [a for a in again.look() if a.task == "intent"] == []
    audits(tmp_path, range(5, 60))
    assert [a.result for a in again.look() if a.task == "intent"] == ["active"]


def test_only_audits_drawn_after_an_alarm_count_after_it(tmp_path):
    connection = audits(tmp_path, range(60))
    again = recalibrator(tmp_path, connection)
    evidence = {"guarantee": "quality_ratio", "target": 0.2, "audits_seen": 60}
    monitoring.raise_alarm(connection, Alarm("intent", NOW_S + 1_000.0, "p" * 64, evidence))
    (first,) = again.look()
    assert first.result == "too few labels"
    assert first.evidence["guide"] == 60
    audits(tmp_path, range(100, 160), at_s=NOW_S + 1_500.0)
    (second,) = again.look()
    assert (second.result, second.evidence["n"]) == ("active", 60)
    assert monitoring.open_alarms(connection) == {}
    assert monitoring.every_alarm(connection)[0].cleared_by == f"calibrated again as policy {second.version}"


def test_a_task_without_a_certificate_is_calibrated_once_it_has_labels(tmp_path):
    """As a turn leaves one of which it could prove nothing."""
    again = recalibrator(tmp_path, audits(tmp_path, range(60)))
    at, encoder = tmp_path / "system" / "policy", wiring.router_encoder(tmp_path / "system" / "router-encoder")
    policy = policies.load(at, encoder)
    others = {task: its for task, its in policy.certificates.items() if task != "intent"}
    shutil.rmtree(at)
    policies.save(at, dataclasses.replace(policy, certificates=others))
    (attempt,) = again.look()
    assert (attempt.task, attempt.trigger, attempt.result) == ("intent", "label count", "active")


def test_a_proof_that_audits_made_is_made_anew_on_twice_as_many_new_ones(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(60)), handled_at=0.9)
    (first,) = [a for a in again.look() if a.task == "intent"]
    n = first.evidence["n"]
    audits(tmp_path, range(100, 100 + 2 * n - 1))
    assert [a for a in again.look() if a.task == "intent"] == []
    audits(tmp_path, [400])
    (second,) = [a for a in again.look() if a.task == "intent"]
    assert (second.trigger, second.result, second.evidence["n"]) == ("label count", "active", 2 * n)
    assert second.evidence["looks"] == 0, "none of them was tested before"


def test_a_second_attempt_on_the_same_rows_spends_what_is_left_of_delta(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(60)))
    levels = [again.attempt(BY_HAND).evidence["level"] for _ in range(3)]
    assert levels == pytest.approx([0.075, 0.01875, 0.0046875])


def test_a_dry_run_changes_nothing(tmp_path):
    connection = audits(tmp_path, range(60))
    again = recalibrator(tmp_path, connection)
    assert again.attempt(BY_HAND, dry_run=True).result == "active"
    assert recalibrations.attempts(connection) == []
    assert again.versions.all() == []


def test_while_a_turn_has_the_lock_a_round_leaves_it_to_a_later_one(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(60)), handled_at=0.9)
    with hold(tmp_path / "s.db", "turn", NOW_S):
        assert again.look() == []
        with pytest.raises(LockHeld):
            again.attempt(BY_HAND)


def test_the_papers_schedule_calibrates_only_where_a_setting_asks(tmp_path):
    connection = audits(tmp_path, range(60))
    assert recalibrator(tmp_path, connection).look() == []
    again = recalibrator(tmp_path, connection, more="recalibration: {schedule: paper}")
    assert {attempt.trigger for attempt in again.look()} == {"schedule"}
    assert again.look() == [], "not again within 48 hours"


def break_some(connection, n):
    """Of the graded audits, so many are missing instead."""
    change = "UPDATE audits SET state = 'missing', reason = 'tier_failed: small connect' WHERE rowid <= ?"
    connection.execute(change, (n,))


def test_nothing_is_proved_on_what_is_left_where_too_many_audits_are_missing(tmp_path):
    connection = audits(tmp_path, range(80))
    break_some(connection, 5)
    again = recalibrator(tmp_path, connection, handled_at=0.9)
    refused = next(a for a in again.look() if a.task == "intent")
    assert (refused.result, refused.version, refused.tested) == ("refused", None, False)
    assert "5 of 80 audits are missing (6.2%" in refused.evidence["reason"]
    assert status(again) is Status.UNCERTIFIED
    assert [a for a in again.look() if a.task == "intent"] == [], "it waits for as many that are graded"
    audits(tmp_path, range(100, 141))
    assert [a.result for a in again.look() if a.task == "intent"] == ["active"]


def test_a_certificate_says_what_the_missing_audits_could_change(tmp_path):
    connection = audits(tmp_path, range(80))
    break_some(connection, 3)
    found = recalibrator(tmp_path, connection).attempt(BY_HAND).evidence
    assert (found["missing"], found["missing_share"]) == (3, pytest.approx(3 / 80))
    assert found["bound_if_missing_failed"] == pytest.approx(found["bound"] * 77 / 80, abs=1e-6)
    assert found["estimate_if_missing_failed"] < found["estimate"]


def test_with_an_audit_budget_of_zero_the_top_tier_serves_in_time_and_the_status_says_why(tmp_path):
    """A certificate from long ago, requests ever since, and no money to look at one of them."""
    began_s = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    now_s = began_s + 31.0 * 86_400.0
    connection = made.opened(tmp_path, *[made.audited(i, at_s=began_s + 60.0 * i) for i in range(120)])
    asyncio.run(made.runner(connection, made.Says(), budget_usd=0.0, clock=lambda: now_s).run(200))
    again = recalibrator(tmp_path, connection, more="audit: {max_usd_per_day: 0}\ncontent: {store: audits}")
    again.clock = lambda: now_s
    assert status(again) is Status.CERTIFIED
    again.look()
    alarmed, serving = wiring.policies_in_force(again.settings).alarmed, wiring.serving_policy(again.settings)
    served = served_tasks(again.settings, serving.statuses, alarmed)
    assert (served["intent"].status, served["intent"].routed) == (Status.UNCERTIFIED, False)
    assert "audit.max_usd_per_day is 0" in words(list(monitoring.open_alarms(connection).values()))[0]
    told = {one.task: one for one in standings(connection, again.settings, serving.policy, served, now_s)}
    assert (told["intent"].alarmed, told["intent"].audits.share) == (True, None), "nothing was graded, nothing broke"


def judged_audits(folder, numbers, *, at_s, judge_says):
    """Audits on which every tier is right, and which the judge grades; people graded a random half."""
    connection = audits(folder, numbers, at_s=at_s)
    connection.execute("PRAGMA synchronous = OFF")
    since = (at_s,)
    connection.execute("UPDATE audits SET gold_propensity = 0.5, state = 'graded' WHERE at_s >= ?", since)
    for (name,) in connection.execute("SELECT trace_id FROM audits WHERE at_s >= ?", since).fetchall():
        graded = [Grade(tier, "judge", "gemini-3", judge_says) for tier in made.TIERS]
        put_grades(connection, read_audit(connection, name), graded, now_s=at_s)
        if gold_draw(name) >= 0.5:
            connection.execute("DELETE FROM grades WHERE trace_id = ? AND source <> 'judge'", (name,))
    return connection


@pytest.mark.slow
def test_after_a_judges_alarm_what_it_says_now_is_corrected_by_people(tmp_path):
    """It finds every answer worse than people do since: its word alone would prove nothing."""
    connection = audits(tmp_path, range(60))
    evidence = {"kind": "judge", "guarantee": "quality_ratio", "target": 0.2, "audits_seen": 60, "why": "It changed."}
    monitoring.raise_alarm(connection, Alarm("intent", NOW_S + 1_000.0, "p" * 64, evidence))
    judged_audits(tmp_path, range(100, 300), at_s=NOW_S + 1_500.0, judge_says=0.1)
    (attempt,) = recalibrator(tmp_path, connection).look()
    assert (attempt.trigger, attempt.result) == ("alarm", "active")
    assert attempt.evidence["gold"] + attempt.evidence["judged"] == attempt.evidence["n"]
    assert attempt.evidence["judged"] > 50
    assert attempt.evidence["estimate"] == pytest.approx(1.0, abs=0.1), "people's grades, and not the judge's 0.1"


def test_what_a_judge_says_calibrates_nothing_before_people_gave_the_labels_asked_for(tmp_path):
    connection = judged_audits(tmp_path, range(80), at_s=NOW_S, judge_says=1.0)
    people = judging.graded_by_people(connection, "intent")
    asked = recalibrator(tmp_path, connection, more="judge: {tier: top, gold: 100}").attempt(BY_HAND)
    assert (asked.result, asked.tested) == ("too few labels", False)
    assert asked.evidence["labels_needed"] == 100 - people > 0
    assert f"{100 - people} of the 100 labels by people" in asked.evidence["reason"]
    given = recalibrator(tmp_path, connection, more=f"judge: {{tier: top, gold: {people}}}").attempt(BY_HAND)
    assert given.tested


def test_where_people_graded_everything_the_judge_asks_for_nothing(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(60)), more="judge: {tier: top}")
    assert again.attempt(BY_HAND).result == "active"


def test_a_wall_around_a_tier_that_a_task_was_proved_with_leaves_nothing_proved(tmp_path):
    again = recalibrator(tmp_path, audits(tmp_path, range(1)))
    walled = dict(again.settings.tasks)
    walled["intent"] = msgspec.structs.replace(walled["intent"], allowed_tiers=("small", "top"))
    before = wiring.serving_policy(again.settings).statuses
    after = wiring.serving_policy(msgspec.structs.replace(again.settings, tasks=walled)).statuses
    assert (before["intent"], before["private"]) == (Status.CERTIFIED, Status.CERTIFIED)
    assert (after["intent"], after["private"]) == (Status.UNCERTIFIED, Status.CERTIFIED)


def test_a_task_that_has_fewer_tiers_is_calibrated_on_what_those_answered(tmp_path):
    tiers = ("small", "mid")
    asked = [{"messages": [{"role": "user", "content": f"query {i}"}]} for i in range(140)]
    records = [made.audited(i, request=request, tiers=tiers, served="mid") for i, request in enumerate(asked)]
    connection = made.opened(tmp_path, *records)
    says = made.Says(dict.fromkeys(tiers, "served by mid"))
    asyncio.run(made.runner(connection, says, allowed=tiers).run(len(records)))
    connection.execute("UPDATE traces SET task = 'private'")
    connection.execute("UPDATE audits SET task = 'private'")
    lines = [("label", json.dumps({"id": record.id, "reference": "served by mid"})) for record in records]
    import_labels(connection, lines, {"private": "accuracy"}, made.CONTENT, grader="people", now_s=NOW_S)
    (attempt,) = recalibrator(tmp_path, connection).by_hand(["private"])
    assert (attempt.result, attempt.evidence["left_out"]) == ("active", {})
