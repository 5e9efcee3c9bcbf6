"""Audits are graded by a person's reference, else by a judge that has no kin among those it grades."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.unit.worker.made import CONTENT, NOW_S, TIERS, Broken, Says, audited, opened, runner, states

from routenlp.store.sql import audits
from routenlp.store.sql.audits import Grade
from routenlp.worker.grading import Graded, Grader, Judge
from routenlp.worker.labels import import_labels

MODELS = {"small": "qwen3-4b", "mid": "claude-haiku", "top": "gpt-5", "judge": "gemini-3"}
JUDGE = Judge("judge", "gemini-3")


def answered(folder, **says):
    connection = opened(folder, audited())
    asyncio.run(runner(connection, Says(says)).run(1))
    return connection


def grade(connection, tiers=None, *, judge=JUDGE, allowed=(*TIERS, "judge"), metric="none", budget_usd=9.0, now=None):
    now = now or [NOW_S]
    made = Grader(
        connection,
        tiers or Says(),
        {"intent": metric},
        MODELS,
        lambda _: allowed,
        judge,
        budget_usd,
        lambda: now[0],
        "w",
    )
    return asyncio.run(made.run(5))


def grades(connection) -> dict[str, Grade]:
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    return {grade.tier: grade for grade in audits.grades_of(connection, name)}


def says(*pairs):
    return Says({"judge": [f'{{"first": {a}, "second": {b}}}' for a, b in pairs]})


def test_a_judge_sees_each_pair_in_both_orders(tmp_path) -> None:
    connection, tiers = answered(tmp_path), says((2, 9), (9, 2), (6, 8), (8, 6))
    assert grade(connection, tiers) == Graded(by_judge=1)
    assert tiers.names == ["judge"] * 4
    found = grades(connection)
    assert {tier: g.quality for tier, g in found.items()} == {
        "small": pytest.approx(0.2),
        "mid": pytest.approx(0.6),
        "top": pytest.approx(0.85),
    }
    assert found["top"].source == "judge"
    assert found["top"].detail == {"disagreed": 0, "pairs": 2, "kin": []}
    assert states(connection) == [("graded", None)]


def test_what_it_costs_is_on_the_audits_budget(tmp_path) -> None:
    connection = answered(tmp_path)
    before = audits.spent_usd(connection, NOW_S)
    grade(connection, says((5, 5)))
    assert audits.spent_usd(connection, NOW_S) - before == pytest.approx(4 * 110e-6)


def test_with_the_budget_used_up_it_waits(tmp_path) -> None:
    connection = answered(tmp_path)
    assert grade(connection, says((5, 5)), budget_usd=0.001) == Graded(waiting=1)


def test_prose_is_no_grade_and_after_three_times_the_audit_is_missing(tmp_path) -> None:
    connection, now = answered(tmp_path), [NOW_S]
    for _ in range(3):
        assert grade(connection, Says({"judge": "Both are lovely."}), now=now) == Graded(failed=1)
        now[0] += 3_600.0
    assert states(connection) == [("missing", "judge_failed: unreadable")]


def test_a_judge_that_fails_is_asked_again(tmp_path) -> None:
    connection, now = answered(tmp_path), [NOW_S]
    tiers = Says({"judge": [Broken(), '{"first": 5, "second": 5}']})
    assert grade(connection, tiers, now=now) == Graded(failed=1)
    now[0] += 3_600.0
    assert grade(connection, tiers, now=now) == Graded(by_judge=1)


def test_a_judge_with_kin_among_the_tiers_is_refused_with_a_warning(tmp_path, caplog) -> None:
    connection, tiers = answered(tmp_path), says((5, 5))
    assert grade(connection, tiers, judge=Judge("judge", "gpt-5-mini")) == Graded(waiting=1)
    assert tiers.names == []
    assert "refused" in caplog.text


def test_one_that_may_nevertheless_marks_its_grades(tmp_path, caplog) -> None:
    connection = answered(tmp_path)
    assert grade(connection, says((5, 5)), judge=Judge("judge", "gpt-5-mini", despite_kin=True)) == Graded(by_judge=1)
    assert grades(connection)["top"].detail["kin"] == ["gpt-5"]
    assert "gold" in caplog.text


def test_a_judge_behind_the_wall_sees_nothing(tmp_path) -> None:
    connection, tiers = answered(tmp_path), says((5, 5))
    assert grade(connection, tiers, allowed=TIERS) == Graded(waiting=1)
    assert tiers.names == []


def test_without_a_judge_it_waits_for_a_person_and_lets_others_go_first(tmp_path) -> None:
    connection, now = answered(tmp_path), [NOW_S]
    assert grade(connection, judge=None, now=now) == Graded(waiting=1)
    assert grade(connection, judge=None, now=now) == Graded()
    now[0] += 4_000.0
    assert grade(connection, judge=None, now=now) == Graded(waiting=1)


def labelled(connection, **label):
    """As a person fills it in where there is a judge."""
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    line = json.dumps({"id": name, **label})
    import_labels(connection, [("line 1", line)], {}, CONTENT, grader="ann", now_s=NOW_S, judged=True)


def test_what_people_have_graded_is_judged_too(tmp_path) -> None:
    connection = answered(tmp_path)
    labelled(connection, quality={"A": 0.5, "B": 0.5, "C": 0.5})
    assert states(connection) == [("answered", None)]
    assert grade(connection, says((8, 8))) == Graded(by_judge=1)
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    found = [(g.source, g.quality) for g in audits.grades_of(connection, name) if g.tier == "top"]
    assert found == [("gold", 0.5), ("judge", 0.8)]


def test_where_the_judge_may_not_or_cannot_people_are_enough(tmp_path) -> None:
    connection, now = answered(tmp_path), [NOW_S]
    labelled(connection, quality={"A": 0.5, "B": 0.5, "C": 0.5})
    for _ in range(3):
        grade(connection, Says({"judge": "Both are lovely."}), now=now)
        now[0] += 3_600.0
    assert states(connection) == [("graded", None)]


def test_a_label_ends_the_wait_for_it(tmp_path) -> None:
    connection = answered(tmp_path)
    assert grade(connection, judge=None) == Graded(waiting=1)
    labelled(connection, quality={"A": 0.5, "B": 0.5, "C": 0.5})
    assert grade(connection, judge=None, now=[NOW_S + 1.0]) == Graded(by_metric=1)


def test_a_reference_is_enough_without_a_judge(tmp_path) -> None:
    connection = answered(tmp_path, top="red", mid="blue")
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    line = f'{{"id": "{name}", "reference": "red"}}'
    import_labels(connection, [("line 1", line)], {}, CONTENT, grader="ann", now_s=NOW_S)
    assert grade(connection, judge=None, metric="accuracy") == Graded(by_metric=1)
    assert {t: (g.source, g.quality) for t, g in grades(connection).items()} == {
        "small": ("metric", 0.0),
        "mid": ("metric", 0.0),
        "top": ("metric", 1.0),
    }


def test_one_answer_with_gold_is_no_graded_audit(tmp_path) -> None:
    connection = answered(tmp_path)
    labelled(connection, quality={"A": 1.0})
    assert grade(connection, judge=None) == Graded(waiting=1)
    assert states(connection) == [("answered", None)]
