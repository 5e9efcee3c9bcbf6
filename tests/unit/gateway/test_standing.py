"""What is said of a task's promise: all that an audit taught, and nothing that is not known."""

from __future__ import annotations

import pytest
from tests.unit.worker import made

from routenlp.cli.promises import promise_tables
from routenlp.conformal.verdict import Status
from routenlp.gateway.live import served_tasks
from routenlp.gateway.standing import standings
from routenlp.settings import load
from routenlp.worker.judge_watch import JudgeWatch
from routenlp.worker.promised import Promised

TEXT = """
portfolio:
  - {name: small, backend: recorded, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}
  - {name: top, backend: recorded, price: {input_usd_per_mtok: 9, output_usd_per_mtok: 9}}
tasks: {intent: {metric: judge, guarantee: joint}}
"""


def standing(connection):
    settings = load(None, {}, default=TEXT)
    served = served_tasks(settings, {"intent": Status.CERTIFIED})
    (one,) = [s for s in standings(connection, settings, None, served, made.NOW_S) if s.task == "intent"]
    return one


def test_a_judge_stands_beside_people(tmp_path):
    connection = made.both_graded(tmp_path, [1.0, 1.0, 0.5, 0.5])
    JudgeWatch(connection, lambda _: Promised("joint", 0.05, 1.0, "top"), lambda: made.NOW_S).run(10)
    one = standing(connection)
    assert (one.judge.judge, one.judge.compared) == ("gemini-3", 4)
    assert one.judge.leniency == pytest.approx(0.5)
    assert "+0.500 lenient on 4" in promise_tables([(one, None)])[1].rows[0][-2]


def test_it_is_told_how_much_is_audited_and_why(tmp_path):
    one = standing(made.opened(tmp_path, made.audited()))
    assert one.audited.rate == 0.0
    assert one.audited.why.startswith("content.store is none")
    assert promise_tables([(one, None)])[1].rows[0][-3] == f"0.0%: {one.audited.why}"


def test_without_a_judge_there_is_nothing_to_say_of_one(tmp_path):
    one = standing(made.opened(tmp_path, made.audited()))
    assert one.judge is None
    assert promise_tables([(one, None)])[1].rows[0][-2] == "not known"


def test_audits_that_are_missing_widen_the_interval_and_are_counted(tmp_path):
    connection = made.both_graded(tmp_path, [1.0] * 40, policy="")
    change = "UPDATE audits SET state = 'missing', reason = ? WHERE rowid <= ?"
    connection.execute(change, ("judge_failed: unreadable", 2))
    one = standing(connection)
    assert (one.failed_given_accepted.count, one.failed_given_accepted.of) == (38, 38), "people say so"
    low, high = one.failed_given_accepted_if_missing
    assert low < one.failed_given_accepted.low
    assert (one.audits.graded, one.audits.missing) == (38, 2)
    row = promise_tables([(one, None)])[1].rows[0]
    assert row[-1] == "2 of 40 (5.0%, of 5.0%)"
    assert f"[{low:.3f}, {high:.3f}] whatever is missing" in row[1]
