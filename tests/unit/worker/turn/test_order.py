"""Which tasks a turn may teach."""

from __future__ import annotations

import pytest

from routenlp.errors import MissingData
from routenlp.worker.turn.run import Order


def test_all_tasks_with_rows_learn_unless_some_are_named():
    assert Order().of(["intent", "drafts"]) == ["intent", "drafts"]
    assert Order(tasks=frozenset({"drafts"})).of(["intent", "drafts"]) == ["drafts"]


def test_a_task_without_rows_is_named():
    with pytest.raises(MissingData, match="'invoices'"):
        Order(tasks=frozenset({"invoices"})).of(["intent"])
