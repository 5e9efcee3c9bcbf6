"""A candidate on trial is judged on audits and moved: on, to active, or back. The store and the policies are real."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.gateway.running import PRICES, ROUTED
from tests.unit.loop.compared_world import compared
from tests.unit.store.made_policies import WHY, made
from tests.unit.worker.made import CONTENT, audited

from routenlp import wiring
from routenlp.cli.trials import words
from routenlp.loop.canary import Plan
from routenlp.loop.compared import as_evidence
from routenlp.loop.lifecycle import State
from routenlp.loop.shadow import Shadowed, ShadowPlan
from routenlp.settings import load
from routenlp.store.policy_versions import PolicyVersions
from routenlp.store.sql import audits, monitoring
from routenlp.store.sql.audits import Grade, TierAnswer
from routenlp.store.sql.database import open_store
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.records import ShadowRecord
from routenlp.store.sql.writer import RecordWriter
from routenlp.store.turn_lock import hold
from routenlp.worker.labels import gold_draw
from routenlp.worker.trial import Judge
from routenlp.worker.trial_rows import AuditComparer, Side

BEGAN_S = 1_900_000_000.0
TIERS = ("small", "mid", "top")
TIMID, BOLD = 0.001, 0.25
"""The policy in force asks every tier; the candidate takes the small tier's answer, whose score is 0.1."""
PLAN = Plan(audits=(5, 10, 15))


class Trial:
    """The bold policy in shadow beside the timid one, and audits as they come."""

    def __init__(self, folder):
        self.store = folder / "s.db"
        self.connection = open_store(self.store)
        self.versions = PolicyVersions(self.store, open_store(self.store))
        self.now_s = BEGAN_S
        self.seen = 0
        with hold(self.store, "test", BEGAN_S) as held:
            self.versions.adopt(held, made(folder / "timid", TIMID), origin="test", now_s=BEGAN_S)
            self.id = self.versions.add(held, made(folder / "bold", BOLD), origin="test", now_s=BEGAN_S).id
            for state in (State.CALIBRATED, State.SHADOW):
                self.versions.move(held, self.id, state, WHY, now_s=BEGAN_S)
        self.comparer = AuditComparer(self.side(self.versions.pointer().active), self.side(self.id), {"intent": "none"})
        self.judge = Judge(
            self.store,
            self.versions,
            self.connection,
            lambda _: self.comparer,
            {"intent": 1.0},
            lambda: self.now_s,
            ShadowPlan(queries=5, audits=0),
            PLAN,
        )

    def side(self, version):
        settings = load(None, {}, default=SETTINGS)
        return Side(wiring.serving_policy(settings, self.versions.folder(version)).policy, frozenset(ROUTED), {})

    def shadowed(self, n, **changes):
        seen = replace(Shadowed("intent", "top", 1.0, "small", 0.1, None, False), **changes)
        self.write(*(ShadowRecord(f"{i:032x}", self.id, BEGAN_S, seen) for i in range(n)))

    def audit(self, n, quality, *, since_s=1.0):
        """`quality`: of the small tier's answers; the others' are right."""
        traces = [audited(self.seen + i, at_s=BEGAN_S + since_s + self.seen + i) for i in range(n)]
        self.seen += n
        self.write(*traces)
        for trace in traces:
            found = audits.read_audit(self.connection, trace.id)
            given = [TierAnswer(t, t != "small", 100, 10, 1e-4, 0.1, score=0.1) for t in TIERS]
            texts = {tier: f"said by {tier}" for tier in TIERS[1:]}
            audits.put_answers(self.connection, found, given, texts, CONTENT, now_s=self.now_s, state="answered")
            grades = [Grade("small", "judge", "j", quality), *(Grade(t, "judge", "j", 1.0) for t in TIERS[1:])]
            audits.put_grades(self.connection, found, grades, now_s=self.now_s, state="graded")

    def write(self, *records):
        writer = RecordWriter(open_store(self.store), content=CONTENT, clock=lambda: BEGAN_S)
        assert all(writer.put(record) for record in records)
        assert writer.close(10)

    def to_canary(self):
        self.shadowed(5)
        assert self.judge.look().state is State.CANARY
        self.now_s += 0.5


SETTINGS = "portfolio:\n" + "\n".join(
    f"  - {{name: {name}, backend: openai, base_url: 'http://127.0.0.1:1/v1', model: {name}-model, "
    f"price: {{input_usd_per_mtok: {usd}, output_usd_per_mtok: {usd}}}}}"
    for name, usd in zip(TIERS, PRICES, strict=True)
)


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def test_both_policies_are_run_again_on_the_record(trial):
    trial.audit(3, 0.0)
    (rows,) = trial.comparer.rows(trial.connection, BEGAN_S)
    assert rows.n == 3
    assert rows.current.tolist() == [1.0] * 3
    assert rows.candidate.tolist() == [0.0] * 3
    assert rows.candidate_usd == pytest.approx([110e-6] * 3)
    assert rows.current_usd == pytest.approx([110 * 111e-6] * 3)
    assert rows.cheap.all()


def test_audits_from_before_the_trial_say_nothing_of_it(trial):
    trial.audit(2, 0.0, since_s=-100.0)
    assert trial.comparer.rows(trial.connection, BEGAN_S) == ()


def test_an_audit_without_the_grades_it_needs_is_counted_and_not_guessed(trial):
    trial.audit(2, 1.0)
    trial.connection.execute("DELETE FROM grades WHERE tier = 'small'")
    assert trial.comparer.rows(trial.connection, BEGAN_S) == ()
    assert trial.comparer.left_out == 2


def people_grade(trial, names, quality, *, share=1.0):
    """Of a draw of this share, those of these audits that were drawn; people's word on the small tier's answers."""
    trial.connection.execute("UPDATE audits SET gold_propensity = ?", (share,))
    for name in names:
        grades = [Grade("small", "gold", "ann", quality), *(Grade(t, "gold", "ann", 1.0) for t in TIERS[1:])]
        audits.put_grades(trial.connection, audits.read_audit(trial.connection, name), grades, now_s=trial.now_s)


def names_of(trial):
    return audits.answered_since(trial.connection, BEGAN_S)


def test_where_people_graded_a_random_part_that_part_alone_is_compared(trial):
    """The judge takes every answer for right, and people take none for it."""
    trial.audit(40, 1.0)
    drawn = [name for name in names_of(trial) if gold_draw(name) < 0.5]
    people_grade(trial, drawn, 0.0, share=0.5)
    (rows,) = trial.comparer.rows(trial.connection, BEGAN_S)
    assert (rows.ids, rows.lost.tolist()) == (tuple(drawn), [1.0] * len(drawn))
    assert trial.comparer.graded_by == {"intent": {"people": len(drawn)}}
    assert (trial.comparer.set_aside, trial.comparer.left_out) == (40 - len(drawn), 0)


def test_what_somebody_chose_to_grade_is_no_random_part(trial):
    trial.audit(40, 1.0)
    chosen = [name for name in names_of(trial) if gold_draw(name) >= 0.2]
    people_grade(trial, chosen, 0.0, share=0.2)
    assert trial.comparer.rows(trial.connection, BEGAN_S)[0].n == 40


def test_a_judges_grade_of_one_answer_is_not_held_against_a_persons_of_the_other(trial):
    trial.audit(4, 0.9)
    for name in names_of(trial):
        audit = audits.read_audit(trial.connection, name)
        audits.put_grades(trial.connection, audit, [Grade("top", "gold", "ann", 0.2)], now_s=trial.now_s)
    (rows,) = trial.comparer.rows(trial.connection, BEGAN_S)
    assert (rows.current.tolist(), rows.candidate.tolist()) == ([1.0] * 4, [0.9] * 4)
    assert trial.comparer.graded_by == {"intent": {"judge": 4}}


def test_an_audit_that_people_grade_later_is_compared_by_them_from_then_on(trial):
    trial.audit(3, 1.0)
    trial.comparer.rows(trial.connection, BEGAN_S)
    people_grade(trial, names_of(trial), 0.0)
    assert trial.comparer.rows(trial.connection, BEGAN_S)[0].candidate.tolist() == [0.0] * 3


def test_a_decision_says_whose_grades_it_rests_on(trial):
    trial.to_canary()
    trial.audit(30, 0.0)
    looked = trial.judge.look()
    assert looked.graded_by == {"intent": {"judge": 30}}
    assert "graded 30 by the judge" in words(looked)
    assert trial.versions.moves(trial.id)[-1].evidence["graded_by"] == {"intent": {"judge": 30}}


def test_a_shadow_that_runs_goes_on_to_the_smallest_share(trial):
    trial.shadowed(4)
    assert trial.judge.look().decision == "wait"
    trial.shadowed(5)
    looked = trial.judge.look()
    assert (looked.state, looked.share, looked.moved) == (State.CANARY, 0.05, True)
    assert trial.versions.moves(trial.id)[-1].evidence["kind"] == "shadow"


def test_a_candidate_waits_while_a_task_that_it_did_not_change_has_an_open_alarm(trial):
    with hold(trial.store, "turn", BEGAN_S) as held:
        gate = as_evidence([compared("other", lost=np.zeros(60))])
        trial.versions.note(held, trial.id, gate, now_s=trial.now_s)
    active = trial.versions.pointer().active
    monitoring.raise_alarm(trial.connection, Alarm("intent", BEGAN_S, active, {}))
    trial.shadowed(5)
    looked = trial.judge.look()
    assert (looked.state, looked.decision, looked.moved) == (State.SHADOW, "wait", False)
    assert "Task intent has an open alarm" in looked.reason
    monitoring.clear_alarm(trial.connection, "intent", "by hand", now_s=trial.now_s)
    assert trial.judge.look().state is State.CANARY


def test_an_alarm_of_a_task_that_it_changed_holds_no_candidate_up(trial):
    with hold(trial.store, "turn", BEGAN_S) as held:
        gate = as_evidence([compared("intent", lost=np.zeros(60))])
        trial.versions.note(held, trial.id, gate, now_s=trial.now_s)
    monitoring.raise_alarm(trial.connection, Alarm("intent", BEGAN_S, "old", {}))
    trial.to_canary()


def test_a_candidate_that_fails_in_shadow_is_rejected(trial):
    trial.shadowed(50, tier=None, usd=None)
    assert trial.judge.look().state is State.REJECTED
    assert trial.versions.pointer().candidate is None


def test_audits_without_harm_lead_through_the_shares_to_active(trial):
    trial.to_canary()
    shares = []
    while (looked := trial.judge.look()) is not None and looked.state is State.CANARY:
        shares.append(looked.share)
        trial.audit(5, 1.0)
        assert trial.seen < 400
    assert sorted(set(shares)) == [0.05, 0.25, 1.0]
    assert looked.state is State.ACTIVE
    assert trial.versions.pointer().active == trial.id
    assert trial.versions.moves(trial.id)[-1].evidence["decision"] == "promote"
    assert trial.judge.look() is None


def test_audits_of_the_shadow_are_evidence_and_raise_no_share(trial):
    trial.audit(40, 1.0)
    trial.now_s += 100.0
    trial.to_canary()
    looked = trial.judge.look()
    assert (looked.audits, looked.share, looked.decision) == (40, 0.05, "wait")


def test_harm_takes_it_back_at_once_and_the_old_policy_never_moved(trial):
    before = trial.versions.pointer().active
    trial.to_canary()
    trial.audit(30, 0.0)
    looked = trial.judge.look()
    assert (looked.state, looked.share, looked.decision) == (State.REJECTED, 0.0, "roll back")
    assert "Harm" in looked.reason
    assert trial.versions.pointer().active == before


def test_a_task_that_passed_the_gate_needs_its_proof_and_rows_of_the_gate_speak_against_it(trial):
    trial.to_canary()
    lost = compared("other", lost=np.ones(60), segments=np.ones(60))
    with hold(trial.store, "turn", BEGAN_S) as held:
        trial.versions.note(held, trial.id, as_evidence([compared("other", lost=np.zeros(60))]), now_s=trial.now_s)
    for _ in range(4):
        trial.audit(40, 1.0)
        looked = trial.judge.look()
    assert (looked.share, looked.decision) == (1.0, "wait")
    with hold(trial.store, "turn", BEGAN_S) as held:
        trial.versions.note(held, trial.id, as_evidence([lost]), now_s=trial.now_s)
    assert "task other" in trial.judge.look().reason
    assert trial.versions.find(trial.id).state is State.REJECTED


def test_while_a_turn_is_at_work_a_share_waits_and_the_next_look_raises_it(trial):
    trial.to_canary()
    trial.audit(6, 1.0)
    with hold(trial.store, "turn", BEGAN_S):
        looked = trial.judge.look()
        assert (looked.decision, looked.moved, looked.share) == ("advance", False, 0.05)
    assert trial.judge.look().share == 0.25


def test_nothing_on_trial_is_nothing_to_judge(trial):
    with hold(trial.store, "test", BEGAN_S) as held:
        trial.versions.roll_back(held, WHY, now_s=BEGAN_S)
    assert trial.judge.look() is None


def served_by_the_candidate(trial, x):
    """Audits as the monitor leaves those of a policy that is not in force."""
    policy = trial.comparer.candidate.policy.version
    rows = [(f"served-{i}", "intent", trial.now_s + i, policy, value, "nobody") for i, value in enumerate(x)]
    trial.connection.executemany("INSERT INTO watched VALUES (?, ?, ?, ?, ?, ?)", rows)


def test_what_it_served_under_its_promise_takes_it_back_though_the_comparison_shows_no_harm(trial):
    trial.to_canary()
    trial.audit(5, 1.0, since_s=2.0)
    served_by_the_candidate(trial, [-0.03] * 40 + [0.97, -0.03] * 40)
    looked = trial.judge.look()
    assert (looked.state, looked.decision) == (State.REJECTED, "roll back")
    assert "Broken promise: task intent" in looked.reason


def test_what_it_served_as_promised_holds_it_up_nowhere(trial):
    trial.to_canary()
    served_by_the_candidate(trial, [-0.03] * 200)
    assert trial.judge.look().state is State.CANARY
