"""`judge.gold`: how many labels by people a task is to have, and who says how many are still wanted."""

from __future__ import annotations

import json

import pytest
from tests.gateway import running
from tests.unit.worker import made

from routenlp.cli import doctor, label
from routenlp.cli.promises import promise_tables, promises
from routenlp.settings import load
from routenlp.store.sql import monitoring
from routenlp.store.sql.monitoring import Alarm

SAYS = [0.5] * 6


def settings(folder, judge):
    text = running.settings("http://127.0.0.1:1/v1", None, more=f"store: {{url: 'sqlite:///{folder}/s.db'}}\n{judge}")
    (folder / "routenlp.yaml").write_text(text)
    return load(folder / "routenlp.yaml", {}, default="")


def half_by_people(folder):
    """Six audits that the judge graded, three of them graded by people too."""
    made.both_graded(folder, SAYS[:3]).close()
    return made.both_graded(folder, SAYS[3:], first=3, people=None)


def test_status_says_how_many_are_wanted(tmp_path):
    connection = half_by_people(tmp_path)
    given = settings(tmp_path, "judge: {tier: top, gold: 10}")
    told = promises(connection, given, made.NOW_S + 1e4)
    assert {one.task: one.gold_needed for one, _ in told}["intent"] == 7
    shown = next(row for row in promise_tables(told)[1].rows if row[0] == "intent")
    assert any(cell.endswith("7 by people") for cell in shown)


def test_labels_from_before_the_last_alarm_do_not_count(tmp_path):
    connection = half_by_people(tmp_path)
    monitoring.raise_alarm(connection, Alarm("intent", made.NOW_S + 90.0, "p", {}))
    told = promises(connection, settings(tmp_path, "judge: {tier: top, gold: 10}"), made.NOW_S + 1e4)
    assert {one.task: one.gold_needed for one, _ in told}["intent"] == 9


def test_a_task_whose_every_audit_people_graded_wants_none(tmp_path):
    connection = made.both_graded(tmp_path, SAYS)
    told = promises(connection, settings(tmp_path, "judge: {tier: top, gold: 10}"), made.NOW_S + 1e4)
    assert {one.gold_needed for one, _ in told} == {None}


@pytest.mark.parametrize(("gold", "found"), [(10, ["judge of intent"]), (3, [])])
def test_doctor_warns_while_some_are_wanted(tmp_path, gold, found):
    half_by_people(tmp_path).close()
    given = settings(tmp_path, f"judge: {{tier: top, gold: {gold}}}")
    warned = [one for one in doctor.look(given, {"STUB_KEY": "x"}, ask=False) if one.what.startswith("judge of")]
    assert [one.what for one in warned] == found
    assert all("7 labels by people" in one.says and one.grade == "warning" for one in warned)


@pytest.mark.parametrize(("judge", "n"), [("judge: {tier: top, gold: 150}", 150), ("judge: {tier: top, gold: 0}", 100)])
def test_export_draws_as_many_as_are_asked_for_unless_told_another_number(tmp_path, judge, n):
    settings(tmp_path, judge)
    made.opened(tmp_path, *[made.audited(i) for i in range(400)]).execute("UPDATE audits SET state = 'answered'")
    label.run_export(tmp_path / "routenlp.yaml", {}, tmp_path / "out.jsonl", None, None)
    drawn = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert abs(len(drawn) - n) < 45, "a draw of 400, within four and a half standard deviations"
    label.run_export(tmp_path / "routenlp.yaml", {}, tmp_path / "more.jsonl", None, 400)
    assert len((tmp_path / "more.jsonl").read_text().splitlines()) == 400
