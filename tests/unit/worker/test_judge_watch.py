"""A judge that changes takes its tasks to the top tier; one that stays as it is, however lenient, does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.worker import made

from routenlp.cli.alarms import words
from routenlp.cli.worker import alarm_words
from routenlp.drift.judge import JudgeDetector
from routenlp.store.in_force import in_force
from routenlp.store.sql import audits, judging, monitoring
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.database import open_store
from routenlp.worker.judge_watch import JudgeWatch
from routenlp.worker.labels import gold_draw
from routenlp.worker.promised import Promised

RATIO = Promised("quality_ratio", 0.05, 1.0, "top")


def judged_alone(folder):
    return made.both_graded(folder, [1.0], first=9_000, people=None)


def look(connection, most=1_000, promised=RATIO):
    return JudgeWatch(connection, lambda task: promised, lambda: made.NOW_S + 1e6).run(most)


def steady(n):
    return [0.5 + 0.1 * (i % 5 - 2) for i in range(n)]


def test_a_judge_that_becomes_lenient_takes_the_task_to_the_top_tier(tmp_path):
    judged_alone(tmp_path)
    connection = made.both_graded(tmp_path, [*steady(200), *[0.9] * 60])
    learned, (alarm,) = look(connection)
    assert learned == 260
    assert alarm.evidence["kind"] == "judge"
    assert alarm.evidence["why"].startswith("The judge gemini-3 grades cheap answers more leniently than it did")
    assert in_force(tmp_path / "s.db").alarmed == {"intent"}
    assert judging.read_judge_detector(connection, "intent").state.seen < 60, (
        "the judge as it is now is the new measure"
    )


def test_a_harsher_one_too(tmp_path):
    judged_alone(tmp_path)
    _, (alarm,) = look(made.both_graded(tmp_path, [*steady(200), *[0.1] * 60]))
    assert "more harshly" in alarm.evidence["why"]


def test_one_that_was_lenient_all_along_is_corrected_and_no_alarm(tmp_path):
    judged_alone(tmp_path)
    assert look(made.both_graded(tmp_path, [1.0] * 260)) == (260, [])


def test_where_people_grade_everything_a_changed_judge_changes_nothing(tmp_path, caplog):
    assert look(made.both_graded(tmp_path, [*steady(200), *[0.9] * 60])) == (260, [])
    assert "more leniently" in caplog.text


def test_a_query_that_was_chosen_and_not_drawn_says_nothing(tmp_path):
    connection = made.both_graded(tmp_path, steady(40), propensity=0.5)
    drawn = [name for (name,) in connection.execute("SELECT trace_id FROM audits") if gold_draw(name) < 0.5]
    assert look(connection)[0] == len(drawn) < 40
    assert look(connection) == (0, [])


def test_an_answer_that_no_person_graded_yet_is_waited_for(tmp_path):
    connection = made.both_graded(tmp_path, [0.5])
    connection.execute("DELETE FROM grades WHERE source = 'gold' AND tier = 'top'")
    assert look(connection) == (0, [])
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    audit = audits.read_audit(connection, name)
    audits.put_grades(connection, audit, [Grade("top", "gold", "ann", 1.0)], now_s=made.NOW_S)
    assert look(connection) == (1, [])


def test_it_is_the_same_detector_after_a_restart_and_sees_each_audit_once(tmp_path):
    whole = look(made.both_graded(tmp_path, steady(60)))
    kept = judging.read_judge_detector(open_store(tmp_path / "s.db"), "intent")
    (tmp_path / "parts").mkdir()
    connection = made.both_graded(tmp_path / "parts", steady(60))
    for _ in range(12):
        connection.close()
        connection = open_store(tmp_path / "parts" / "s.db")
        look(connection, most=6)
    assert whole == (60, [])
    assert look(connection) == (0, [])
    assert judging.read_judge_detector(connection, "intent") == kept


@pytest.mark.parametrize("change", ["another judge", "another promise"])
def test_another_judge_or_promise_begins_anew(tmp_path, change):
    look(made.both_graded(tmp_path, steady(30)))
    connection = made.both_graded(
        tmp_path, steady(3), first=100, judge="claude-5" if change == "another judge" else "gemini-3"
    )
    look(connection, promised=RATIO if change == "another judge" else replace(RATIO, target=0.1))
    assert judging.read_judge_detector(connection, "intent").state.seen == 3


def test_two_workers_learn_from_an_audit_once(tmp_path):
    connection = made.both_graded(tmp_path, steady(4))
    waiting = judging.both_graded(connection, 10)
    look(connection)
    kept = judging.read_judge_detector(connection, "intent")
    stale = replace(kept, state=JudgeDetector(365.0).start())
    judging.put_compared(connection, waiting[0], 0.0, stale, monitoring.Alarm("intent", 0.0, "p", {"kind": "judge"}))
    assert judging.read_judge_detector(connection, "intent") == kept
    assert monitoring.open_alarms(connection) == {}


def test_a_task_that_is_gone_teaches_nothing(tmp_path):
    assert look(made.both_graded(tmp_path, steady(5)), promised=None) == (0, [])


def test_a_list_of_alarms_says_that_it_is_the_judge(tmp_path):
    judged_alone(tmp_path)
    _, (alarm,) = look(made.both_graded(tmp_path, [*steady(200), *[0.9] * 60]))
    assert "The judge gemini-3 grades cheap answers more leniently" in words([alarm])[0]
    assert "The top tier serves it from now on" in alarm_words(alarm)
