"""One worker leads; a clock that jumps costs work at the most."""

from __future__ import annotations

from tests.unit.worker import made

from routenlp.store.sql import leases
from routenlp.store.sql.leases import LEASE_S


def take(connection, holder, now_s):
    return leases.take(connection, "worker", holder, now_s=now_s)


def test_the_second_waits_and_takes_over_when_the_first_is_gone(tmp_path):
    connection = made.opened(tmp_path)
    assert take(connection, "a", 0.0)
    assert not take(connection, "b", LEASE_S - 1.0)
    assert take(connection, "a", LEASE_S - 1.0), "renewed"
    assert not take(connection, "b", LEASE_S + 1.0)
    assert take(connection, "b", 2.0 * LEASE_S)
    assert not take(connection, "a", 2.0 * LEASE_S + 1.0)


def test_one_that_ends_need_not_be_waited_for(tmp_path):
    connection = made.opened(tmp_path)
    assert take(connection, "a", 0.0)
    leases.end(connection, "worker", "b")
    assert not take(connection, "b", 1.0), "nobody ends another's"
    leases.end(connection, "worker", "a")
    assert take(connection, "b", 1.0)


def test_a_clock_that_went_back_keeps_no_dead_leader(tmp_path):
    connection = made.opened(tmp_path)
    assert take(connection, "a", 1e9)
    assert take(connection, "b", 1e9 - 86_400.0)


def test_a_pause_names_who_paused_and_ends(tmp_path):
    connection = made.opened(tmp_path)
    assert leases.paused(connection, "worker") is None
    leases.pause(connection, "worker", "somebody", now_s=5.0)
    assert leases.paused(connection, "worker") == leases.Paused(5.0, "somebody")
    assert leases.resume(connection, "worker")
    assert not leases.resume(connection, "worker")
