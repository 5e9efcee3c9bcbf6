"""Feedback is selected by whoever gives it: however much, late or made up, it grades nothing and alarms nobody."""

from __future__ import annotations

import pytest
from tests.unit.worker import made

from routenlp.errors import MissingData
from routenlp.store.sql import audits, monitoring
from routenlp.store.sql.audits import Grade
from routenlp.store.sql.database import open_store
from routenlp.store.sql.feedback import add_feedback
from routenlp.store.sql.reader import read_trace
from routenlp.store.sql.records import FeedbackRecord
from routenlp.store.sql.writer import RecordWriter
from routenlp.worker.monitor import Monitor
from routenlp.worker.promised import Promised

MONTHS_S = 200.0 * 86_400.0
JOINT = Promised("joint", 0.05, 1.0, "top")


def told(folder, *records):
    """As the gateway takes it: without a look at the record."""
    writer = RecordWriter(open_store(folder / "s.db"), content=made.CONTENT, clock=lambda: made.NOW_S)
    assert all(writer.put(record) for record in records)
    assert writer.close(10)


def feedback(connection):
    return connection.execute("SELECT about, kind, value FROM feedback ORDER BY about").fetchall()


def test_bad_scores_by_the_hundred_raise_no_alarm(tmp_path):
    records = [made.audited(i) for i in range(40)]
    connection = made.opened(tmp_path, *records)
    for record in records:
        grades = [Grade(tier, "metric", "accuracy", 1.0) for tier in ("small", "top")]
        audits.put_grades(
            connection, audits.read_audit(connection, record.id), grades, now_s=made.NOW_S, state="graded"
        )
    told(tmp_path, *[FeedbackRecord(record.id, made.NOW_S, "score", 0.0) for record in records])
    looked = Monitor(connection, lambda _: JOINT, lambda: made.NOW_S).run(100)
    assert (looked.watched, looked.alarms) == (40, ())
    assert monitoring.read_detector(connection, "intent").state.seen == 40


def test_months_late_it_is_kept_with_its_trace_though_what_was_said_is_gone(tmp_path):
    record = made.audited()
    connection = made.opened(tmp_path, record)
    connection.execute("DELETE FROM content")
    told(tmp_path, FeedbackRecord(record.id, made.NOW_S + MONTHS_S, "score", 0.0))
    assert [(one.kind, one.value) for one in read_trace(connection, record.id).feedback] == [("score", 0.0)]


def test_the_same_twice_is_one_and_another_verdict_is_another(tmp_path):
    record = made.audited()
    connection = made.opened(tmp_path, record)
    again = [FeedbackRecord(record.id, made.NOW_S + i, "score", 0.5) for i in range(3)]
    told(tmp_path, *again, FeedbackRecord(record.id, made.NOW_S, "score", 1.0))
    assert len(feedback(connection)) == 2


def test_of_an_unknown_id_the_gateway_keeps_it_and_nothing_comes_of_it(tmp_path):
    connection = made.opened(tmp_path, made.audited())
    told(tmp_path, FeedbackRecord("chatcmpl-of-elsewhere", made.NOW_S, "score", 0.0))
    assert [about for about, *_ in feedback(connection)] == ["chatcmpl-of-elsewhere"]
    assert Monitor(connection, lambda _: JOINT, lambda: made.NOW_S).run(10).watched == 0


def test_of_an_unknown_id_the_command_refuses_it_all(tmp_path):
    record = made.audited()
    connection = made.opened(tmp_path, record)
    said = [FeedbackRecord(record.id, made.NOW_S, "score", 1.0), FeedbackRecord("nobody", made.NOW_S, "score", 1.0)]
    with pytest.raises(MissingData, match="'nobody'"):
        add_feedback(connection, said, made.CONTENT)
    assert feedback(connection) == []
