"""Gold labels out to a file and back: blind, drawn at random, all or nothing, the same once."""

from __future__ import annotations

import asyncio
import json
from math import sqrt

import pytest
from msgspec.structs import replace
from tests.unit.worker.made import CONTENT, NOW_S, Says, audited, opened, runner, states

from routenlp.errors import CorruptData, MissingData
from routenlp.store.sql import audits, monitoring
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.monitoring import Alarm
from routenlp.worker.labels import export, gold_draw, import_labels, tasks_by_need

METRICS = {"intent": "accuracy"}


def answered(folder, n: int = 1, says=None):
    connection = opened(folder, *(audited(i) for i in range(n)))
    asyncio.run(runner(connection, says or Says()).run(n))
    return connection


def lines(connection, most: int = 1_000):
    return [json.loads(line) for line in export(connection, "intent", most)]


def put(connection, *given, metrics=METRICS, grader="ann"):
    numbered = [(f"line {i}", json.dumps(line)) for i, line in enumerate(given, start=1)]
    return import_labels(connection, numbered, metrics, CONTENT, grader=grader, now_s=NOW_S)


def grades(connection, name):
    return {(g.tier, g.source): g.quality for g in audits.grades_of(connection, name)}


def test_a_line_shows_answers_and_not_whose_they_are(tmp_path) -> None:
    connection = answered(tmp_path, 40, Says({"mid": "m", "top": "t"}))
    found = lines(connection)
    assert "small" not in json.dumps(found).replace("served by small", "")
    assert {tuple(sorted(line["answers"].values())) for line in found} == {("m", "served by small", "t")}
    assert len({tuple(line["answers"].values()) for line in found}) > 3


def test_equal_answers_share_a_letter_and_its_grade(tmp_path) -> None:
    connection = answered(tmp_path, 1, Says({"mid": "same", "top": "same"}))
    (line,) = lines(connection)
    assert len(line["answers"]) == 2
    letter = next(letter for letter, text in line["answers"].items() if text == "same")
    assert put(connection, line | {"quality": {letter: 0.5}}).grades == 2
    assert grades(connection, line["id"]) == {("mid", "gold"): 0.5, ("top", "gold"): 0.5}


def test_a_reference_is_graded_by_the_tasks_metric(tmp_path) -> None:
    connection = answered(tmp_path, 1, Says({"mid": "red", "top": "blue"}))
    (line,) = lines(connection)
    done = put(connection, line | {"reference": "red"})
    assert (done.references, done.grades) == (1, 3)
    assert grades(connection, line["id"])["mid", "metric"] == 1.0
    assert audits.gold_of(connection, line["id"]) == "red"


def test_a_reference_is_redacted_like_all_content(tmp_path) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    put(connection, line | {"reference": "ask ann@example.org"})
    assert audits.gold_of(connection, line["id"]) == "ask [email]"


def test_the_same_again_changes_nothing_and_another_grader_stands_beside(tmp_path) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    for grader in ("ann", "ann", "bob"):
        put(connection, line | {"quality": {"A": 1.0}}, grader=grader)
    assert len(audits.grades_of(connection, line["id"])) == 2


def test_a_line_that_nobody_filled_in_is_counted_and_stores_nothing(tmp_path) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    done = put(connection, line)
    assert (done.empty, done.grades, states(connection)) == (1, 0, [("answered", None)])


def test_what_has_gold_is_not_asked_for_again(tmp_path) -> None:
    connection = answered(tmp_path, 5)
    first, *rest = lines(connection)
    put(connection, first | {"reference": "red"})
    assert [line["id"] for line in lines(connection)] == [line["id"] for line in rest]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"quality": {"A": 1.5}}, CorruptData),
        ({"quality": {"A": -0.1}}, CorruptData),
        ({"quality": {"A": "good"}}, CorruptData),
        ({"quality": {"Z": 1.0}}, CorruptData),
        ({"reference": 3}, CorruptData),
        ({"id": "nobody"}, MissingData),
        ({"id": None}, CorruptData),
    ],
)
def test_one_bad_line_and_nothing_of_the_file_is_stored(tmp_path, change, problem) -> None:
    connection = answered(tmp_path, 2)
    good, bad = lines(connection)
    with pytest.raises(problem, match="line 2"):
        put(connection, good | {"reference": "red"}, bad | change)
    assert audits.gold_of(connection, good["id"]) is None


@pytest.mark.parametrize("state", ["pending", "missing"])
def test_an_audit_whose_answers_are_not_there_takes_no_label(tmp_path, state) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    connection.execute("UPDATE audits SET state = ?", (state,))
    with pytest.raises(CorruptData, match=state):
        put(connection, line | {"reference": "red"})


def test_a_draw_is_a_share_that_is_on_record_with_every_audit(tmp_path) -> None:
    connection = answered(tmp_path, 60)
    found = lines(connection, most=15)
    rows = connection.execute("SELECT trace_id, gold_propensity FROM audits").fetchall()
    assert {share for _, share in rows} == {0.25}
    assert {line["id"] for line in found} == {name for name, _ in rows if gold_draw(name) < 0.25}
    more = {line["id"] for line in lines(connection, most=30)}
    assert {line["id"] for line in found} < more


def test_gold_is_drawn_apart_from_audits() -> None:
    draws = [gold_draw(audited(i).id) for i in range(10_000)]
    assert abs(sum(draw < 0.3 for draw in draws) - 3_000) < 4 * sqrt(10_000 * 0.3 * 0.7)


def test_one_graded_answer_of_three_leaves_the_audit_waiting_for_the_others(tmp_path) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    put(connection, line | {"quality": {"A": 1.0}})
    assert states(connection) == [("answered", None)]
    assert [again["id"] for again in lines(connection)] == [line["id"]]
    put(connection, line | {"quality": {"B": 1.0, "C": 0.0}}, grader="bob")
    assert states(connection) == [("graded", None)]
    assert lines(connection) == []


def test_what_an_earlier_draw_brought_is_asked_for_until_it_is_done(tmp_path) -> None:
    connection = answered(tmp_path, 40)
    drawn = [line["id"] for line in lines(connection, most=20)]
    assert [line["id"] for line in lines(connection, most=1)] == drawn


def test_tasks_come_by_their_need_of_people(tmp_path) -> None:
    records = [replace(audited(i), task=task) for i, task in enumerate(["alarmed", "graded", "new"])]
    connection = opened(tmp_path, *records)
    audits.put_grades(
        connection, audits.read_audit(connection, records[1].id), [Grade("top", "gold", "ann", 1.0)], now_s=NOW_S
    )
    evidence = {"kind": "alarm", "guarantee": "joint", "target": 0.05}
    monitoring.raise_alarm(connection, Alarm("alarmed", NOW_S, "p", evidence))
    audits.put_grades(
        connection, audits.read_audit(connection, records[0].id), [Grade("top", "gold", "ann", 1.0)], now_s=NOW_S
    )
    assert tasks_by_need(connection) == ["alarmed", "new", "graded"]
