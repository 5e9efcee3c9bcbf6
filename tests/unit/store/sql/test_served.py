"""What of the record a turn may look at."""

from __future__ import annotations

from tests.unit.store.sql.made import NOON_S, made_trace

from routenlp.store.content import ContentPolicy
from routenlp.store.sql.database import open_reader, open_store
from routenlp.store.sql.records import Content
from routenlp.store.sql.served import served_since
from routenlp.store.sql.writer import RecordWriter

SAID = Content({"messages": [{"role": "user", "content": "Which colour?"}]}, {"large": "blue"})


def test_an_audited_query_is_never_learned_from(tmp_path):
    path = tmp_path / "s.db"
    writer = RecordWriter(open_store(path), content=ContentPolicy("all"), clock=lambda: NOON_S)
    writer.put(made_trace("a" * 32, content=SAID))
    writer.put(made_trace("b" * 32, content=SAID, audited=True))
    assert writer.close(5.0)
    connection = open_reader(path)
    try:
        assert [one.id for one in served_since(connection, 0.0)] == ["a" * 32]
    finally:
        connection.close()
