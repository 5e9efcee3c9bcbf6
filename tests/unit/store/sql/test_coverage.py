"""The share of right first cheap answers that were accepted, whatever tiers are called."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.worker import made

from routenlp.store.sql import audits, statements
from routenlp.store.sql.audits import Grade


def coverage(folder, first: str, tiers: tuple[str, ...], **changes) -> tuple[int, int]:
    """Of one audit whose first answer, right, was given by `first` and accepted."""
    record = replace(made.audited(served=first, tiers=tiers), **changes)
    connection = made.opened(folder, record)
    audit = audits.read_audit(connection, record.id)
    audits.put_grades(connection, audit, [Grade(first, "metric", "accuracy", 1.0)], now_s=made.NOW_S, state="graded")
    return tuple(connection.execute(statements.COVERAGE, ("intent", 1.0, 100)).fetchone())


@pytest.mark.parametrize(("first", "top"), [("a_b", "axb"), ("a%", "a-top"), ('say "a"', "top"), ("a\\b", "top")])
def test_a_tier_is_the_top_one_by_its_whole_name(tmp_path, first, top):
    assert coverage(tmp_path, first, (first, top)) == (1, 1)


@pytest.mark.parametrize("top", ["top", "a_b", 'say "a"', "größte"])
def test_the_top_tiers_answers_do_not_count(tmp_path, top):
    assert coverage(tmp_path, top, ("small", top)) == (0, 0)


def test_a_client_that_left_says_nothing(tmp_path):
    assert coverage(tmp_path, "small", ("small", "top"), tier=None, outcome="client_left") == (0, 0)
