"""What calibration reads: graded audits, with people's grades and judges' apart."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.worker.made import NOW_S, TIERS, Says, audited, opened, runner

from routenlp.store.sql import audits
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.graded import Quality, graded_audits


def graded(folder, *grades: Grade, **changes):
    """A store with one audit that has these grades."""
    connection = opened(folder, audited(**changes))
    asyncio.run(runner(connection, Says()).run(1))
    (name,) = connection.execute("SELECT trace_id FROM audits").fetchone()
    audits.put_grades(connection, audits.read_audit(connection, name), grades, now_s=NOW_S, state="graded")
    return connection


def every(source, *qualities, grader="g"):
    return [Grade(tier, source, grader, quality) for tier, quality in zip(TIERS, qualities, strict=True)]


def test_one_audit_with_all_that_is_known_of_it(tmp_path) -> None:
    connection = graded(tmp_path, *every("metric", 0.0, 0.5, 1.0), group="c1", estimates={"small": 0.7})
    (found,) = graded_audits(connection, "intent")
    assert (found.at_s, found.policy, found.status, found.propensity) == (NOW_S, "p", "certified", 0.02)
    assert (found.group, found.served, found.tiers, found.whole) == ("c1", "small", TIERS, True)
    assert found.qualities["mid"] == Quality(gold=0.5, judged=None)
    assert found.answers["top"].cost_usd == pytest.approx(110 * 100e-6)
    assert found.estimates == {"small": 0.7}


def test_people_and_judges_stand_apart_and_people_are_averaged(tmp_path) -> None:
    grades = [*every("judge", 0.9, 0.9, 0.9), Grade("small", "gold", "ann", 0.2), Grade("small", "metric", "m", 0.4)]
    (found,) = graded_audits(graded(tmp_path, *grades), "intent")
    assert found.qualities["small"] == Quality(gold=pytest.approx(0.3), judged=0.9)
    assert found.qualities["top"] == Quality(gold=None, judged=0.9)
    assert found.whole


def test_without_a_conversation_on_record_a_query_is_its_own_group(tmp_path) -> None:
    (found,) = graded_audits(graded(tmp_path, *every("judge", 1, 1, 1)), "intent")
    assert found.group == found.trace_id


@pytest.mark.parametrize("grades", [[Grade("small", "gold", "ann", 1.0)], every("judge", 1, 1, 1)[:2]])
def test_one_that_lacks_a_grade_is_not_whole(tmp_path, grades) -> None:
    (found,) = graded_audits(graded(tmp_path, *grades), "intent")
    assert not found.whole


def test_other_tasks_older_ones_and_those_not_graded_are_left_out(tmp_path) -> None:
    connection = graded(tmp_path, *every("judge", 1, 1, 1))
    assert graded_audits(connection, "other") == []
    assert graded_audits(connection, "intent", since_s=NOW_S + 1.0) == []
    connection.execute("UPDATE audits SET state = 'answered'")
    assert graded_audits(connection, "intent") == []
