"""Pairs out to people and back: blind, drawn at random, all or nothing, the same once."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from tests.unit.worker.made import NOW_S, Says, audited, opened, runner

from routenlp.errors import CorruptData, MissingData
from routenlp.store.sql import pairs as store
from routenlp.store.sql.reported import Period
from routenlp.worker.pairs import as_line, draw_task, import_verdicts, waiting

EVER = Period(0.0, NOW_S * 2)


def answered(folder, n: int = 1, says=None, **changes):
    connection = opened(folder, *(audited(i, **changes) for i in range(n)))
    asyncio.run(runner(connection, Says(says or {"top": "the right one"})).run(n))
    return connection


def entropy(seed):
    return random.Random(seed).randbytes


def lines(connection, rater="ann", most=1_000, seed=None):
    drawn = draw_task(connection, "intent", "top", most, NOW_S)
    return [
        json.loads(as_line(*one)) for one in waiting(connection, drawn, rater, entropy(rater if seed is None else seed))
    ]


def put(connection, *given):
    return import_verdicts(connection, [(f"f, line {i}", json.dumps(one)) for i, one in enumerate(given, 1)], NOW_S)


def verdicts(connection):
    return [dict(pair.verdicts) for pair in store.reported_pairs(connection, EVER)]


def served_letter(line):
    return "A" if line["A"] == "served by small" else "B"


def test_a_line_shows_both_answers_and_not_whose_they_are(tmp_path) -> None:
    found = lines(answered(tmp_path, 40))
    assert {tuple(sorted((line["A"], line["B"]))) for line in found} == {("served by small", "the right one")}
    assert {served_letter(line) for line in found} == {"A", "B"}
    told = json.dumps([{key: line[key] for key in line if key not in "AB"} for line in found])
    assert all(word not in told for word in ("small", "top", "mid", "propensity"))


def test_ids_are_no_traces_and_differ_between_raters(tmp_path) -> None:
    connection = answered(tmp_path, 30)
    ann, bob = lines(connection, "ann", seed=1), lines(connection, "bob", seed=2)
    traces = {name for (name,) in connection.execute("SELECT trace_id FROM audits")}
    assert not {line["id"] for line in ann} & ({line["id"] for line in bob} | traces)
    assert [served_letter(line) for line in ann] != [served_letter(line) for line in bob]


def test_asked_again_a_rater_sees_the_same_line(tmp_path) -> None:
    connection = answered(tmp_path, 5)
    assert lines(connection, seed=1) == lines(connection, seed=2)


@pytest.mark.parametrize(("said", "verdict"), [("served", "win"), ("other", "loss"), ("tie", "tie")])
def test_a_verdict_is_of_the_answer_that_was_served(tmp_path, said, verdict) -> None:
    connection = answered(tmp_path, 20)
    for line in lines(connection):
        mine = served_letter(line)
        put(connection, line | {"verdict": {"served": mine, "other": "AB".replace(mine, ""), "tie": "tie"}[said]})
    assert verdicts(connection) == [{"ann": verdict}] * 20
    chosen = [pair.first_chosen for pair in store.reported_pairs(connection, EVER)]
    assert {len(one) for one in chosen} == {0 if said == "tie" else 1}


def test_equal_answers_are_not_asked_about(tmp_path) -> None:
    connection = answered(tmp_path, 6, {"top": " served by small\n"})
    assert lines(connection) == []
    assert [pair.same for pair in store.reported_pairs(connection, EVER)] == [True] * 6


def test_what_the_top_tier_answered_is_compared_with_nothing(tmp_path) -> None:
    assert lines(answered(tmp_path, 4, served="top")) == []


def test_an_audit_without_the_top_tier_is_compared_with_nothing(tmp_path) -> None:
    assert lines(answered(tmp_path, 4, tiers=("small", "mid"))) == []


def test_about_so_many_are_drawn_and_the_chance_is_on_record(tmp_path) -> None:
    connection = answered(tmp_path, 300)
    found = lines(connection, most=60)
    assert 35 <= len(found) <= 85
    assert {pair.propensity for pair in store.reported_pairs(connection, EVER)} == {0.02 * 0.2}


def test_asked_for_more_those_drawn_before_stay(tmp_path) -> None:
    connection = answered(tmp_path, 100)
    few = [line["id"] for line in lines(connection, most=20)]
    assert [line["id"] for line in lines(connection, most=60)][: len(few)] == few
    assert [line["id"] for line in lines(connection, most=1)][: len(few)] == few


def test_what_was_drawn_stays_drawn_when_its_content_is_gone(tmp_path) -> None:
    connection = answered(tmp_path, 3)
    first, *_ = lines(connection)
    connection.execute("DELETE FROM content")
    assert lines(connection) == []
    assert put(connection, first | {"verdict": "tie"}).new == 1
    assert sorted(map(len, verdicts(connection))) == [0, 0, 1]


def test_several_raters_compare_one_pair(tmp_path) -> None:
    connection = answered(tmp_path)
    for rater in ("ann", "bob"):
        put(connection, *[line | {"verdict": "tie"} for line in lines(connection, rater)])
    assert verdicts(connection) == [{"ann": "tie", "bob": "tie"}]


def test_the_same_again_changes_nothing_and_another_word_replaces_it(tmp_path) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    done = [put(connection, line | {"verdict": word}) for word in ("tie", "tie", served_letter(line))]
    assert [one.new for one in done] == [1, 0, 1]
    assert verdicts(connection) == [{"ann": "win"}]
    assert put(connection, line).empty == 1
    assert verdicts(connection) == [{"ann": "win"}]


def test_what_is_compared_is_not_asked_again(tmp_path) -> None:
    connection = answered(tmp_path, 4)
    first, *rest = lines(connection)
    put(connection, first | {"verdict": "tie"})
    assert [line["id"] for line in lines(connection)] == [line["id"] for line in rest]


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_line_without_a_verdict_is_not_rated(tmp_path, empty) -> None:
    connection = answered(tmp_path)
    assert put(connection, lines(connection)[0] | {"verdict": empty}).verdicts == 0
    assert verdicts(connection) == [{}]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"verdict": "a"}, "line 2: has the verdict 'a'"),
        ({"verdict": "better"}, "line 2: has the verdict 'better'"),
        ({"verdict": 1}, "line 2: is no comparison"),
        ({"rater": "bob", "verdict": "A"}, "line 2: is 'bob'"),
        ({"id": "0" * 32, "verdict": "A"}, "line 2: is of '0+', which was never asked"),
    ],
)
def test_of_a_file_with_a_bad_line_nothing_is_stored(tmp_path, bad, says) -> None:
    connection = answered(tmp_path, 2)
    first, second = lines(connection)
    with pytest.raises((CorruptData, MissingData), match=says):
        put(connection, first | {"verdict": "A"}, second | bad)
    assert verdicts(connection) == [{}, {}]


def test_one_id_with_two_verdicts_is_refused_and_twice_the_same_is_one(tmp_path) -> None:
    connection = answered(tmp_path)
    (line,) = lines(connection)
    with pytest.raises(CorruptData, match=r"line 3: says otherwise of '\w+' than f, line 1"):
        put(connection, line | {"verdict": "A"}, line, line | {"verdict": "B"})
    assert verdicts(connection) == [{}]
    assert put(connection, line | {"verdict": "A"}, line | {"verdict": "A"}).verdicts == 1
