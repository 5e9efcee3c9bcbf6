from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.store.sql.made import NOON_S

from routenlp.errors import SettingsError
from routenlp.store.sql.budgets import LAPSES_AFTER_S, Ledger, Refused, Reservation, Spent
from routenlp.store.sql.journal import ChargeJournal
from routenlp.store.sql.money import DAY_S, Budget, day_of

TODAY = day_of(NOON_S)


@contextmanager
def ledger(
    folder: Path,
    *,
    key: Mapping[str, Budget] | None = None,
    task: Mapping[str, Budget] | None = None,
    spent: Spent = Spent({}, 0),  # noqa: B008  (frozen)
) -> Iterator[Ledger]:
    opened = Ledger(ChargeJournal(folder / "s.db"), spent, key_budget=(key or {}).get, task_budgets=task or {})
    yield opened
    opened.close()


def reserved(found: Reservation | Refused) -> Reservation:
    assert isinstance(found, Reservation)
    return found


def test_a_budget_is_spent_to_the_last_nano_dollar_and_not_beyond(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0)}) as book:
        book.settle(reserved(book.reserve("key_a", "intent", 0.999999999, NOON_S)), 0.999999999)
        assert isinstance(book.reserve("key_a", "intent", 2e-9, NOON_S), Refused)
        book.settle(reserved(book.reserve("key_a", "intent", 1e-9, NOON_S)), 1e-9)
        assert book.left_usd("key", "key_a", NOON_S) == 0.0


def test_a_refusal_says_which_budget_is_used_up(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(9.0)}, task={"intent": Budget(1.0, "day")}) as book:
        book.settle(reserved(book.reserve("key_a", "intent", 0.25, NOON_S)), 0.25)
        reserved(book.reserve("key_a", "intent", 0.5, NOON_S))
        found = book.reserve("key_a", "intent", 0.5, NOON_S)
    assert found == Refused("task", "intent", Budget(1.0, "day"), 0.25, 0.5)


def test_a_refusal_reserves_nothing_anywhere(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(9.0)}, task={"intent": Budget(1.0)}) as book:
        book.reserve("key_a", "intent", 5.0, NOON_S)
        assert book.left_usd("key", "key_a", NOON_S) == 9.0


def test_keys_without_a_budget_and_requests_without_a_key_are_not_limited(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0)}) as book:
        reserved(book.reserve(None, "intent", 1e6, NOON_S))
        reserved(book.reserve("key_b", "intent", 1e6, NOON_S))
        assert book.left_usd("key", "key_b", NOON_S) is None


@pytest.mark.parametrize("usd", [1e300, float("inf"), float("nan")])
def test_an_amount_beyond_reason_is_refused_where_there_is_a_budget(tmp_path: Path, usd: float) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1e9)}) as book:
        assert isinstance(book.reserve("key_a", "intent", usd, NOON_S), Refused)
        book.settle(reserved(book.reserve(None, "intent", usd, NOON_S)), 1.0)


def test_settling_less_gives_the_rest_back(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0)}) as book:
        book.settle(reserved(book.reserve("key_a", "intent", 1.0, NOON_S)), 0.25)
        assert book.left_usd("key", "key_a", NOON_S) == 0.75


def test_a_request_that_costs_more_than_it_reserved_is_charged_in_full(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0)}) as book:
        book.settle(reserved(book.reserve("key_a", "intent", 0.5, NOON_S)), 1.5)
        assert book.left_usd("key", "key_a", NOON_S) == -0.5


@pytest.mark.parametrize("end", ["settle", "release"])
def test_only_the_first_end_of_a_reservation_counts(tmp_path: Path, end: str) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0)}) as book:
        held = reserved(book.reserve("key_a", "intent", 0.5, NOON_S))
        first = 0.5 if end == "settle" else 0.0
        if end == "settle":
            book.settle(held, 0.5)
        else:
            book.release(held)
        book.settle(held, 0.5)
        book.release(held)
        assert book.left_usd("key", "key_a", NOON_S) == 1.0 - first


def test_a_reservation_that_nobody_ended_lapses_and_can_still_be_charged(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0, "total")}) as book:
        held = reserved(book.reserve("key_a", "intent", 1.0, NOON_S))
        assert book.left_usd("key", "key_a", NOON_S + LAPSES_AFTER_S - 1) == 0.0
        assert book.left_usd("key", "key_a", NOON_S + LAPSES_AFTER_S) == 1.0
        book.settle(held, 0.75)
        assert book.left_usd("key", "key_a", NOON_S + LAPSES_AFTER_S) == 0.25


@pytest.mark.parametrize(("period", "later_days", "left"), [("day", 0, 0.0), ("day", 1, 1.0), ("month", 1, 0.0)])
def test_a_budget_begins_anew_with_its_period(tmp_path: Path, period: str, later_days: int, left: float) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0, period)}) as book:  # type: ignore[arg-type]
        book.settle(reserved(book.reserve("key_a", "intent", 1.0, NOON_S)), 1.0)
        assert book.left_usd("key", "key_a", NOON_S + later_days * DAY_S) == left


def test_a_month_begins_on_its_first_day_and_a_total_never(tmp_path: Path) -> None:
    first_of_december_s = 1_701_388_800.0
    budgets = {"key_a": Budget(1.0, "month"), "key_b": Budget(1.0, "total")}
    with ledger(tmp_path, key=budgets) as book:
        for key in budgets:
            book.settle(reserved(book.reserve(key, "intent", 1.0, NOON_S)), 1.0)
        left = [
            book.left_usd(scope, key, now)
            for now in (first_of_december_s - 1, first_of_december_s)
            for scope, key in (("key", "key_a"), ("key", "key_b"))
        ]  # type: ignore[arg-type]
    assert left == [0.0, 0.0, 1.0, 0.0]


def test_a_charge_counts_on_the_day_on_which_it_was_reserved(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0, "day")}) as book:
        held = reserved(book.reserve("key_a", "intent", 1.0, NOON_S))
        tomorrow_s = NOON_S + DAY_S
        reserved(book.reserve("key_a", "intent", 1.0, tomorrow_s))
        book.settle(held, 1.0)
        assert book.left_usd("key", "key_a", tomorrow_s) == 0.0
        assert dict(book.take_pending().sums) == {("key_a", "intent", TODAY): (1, 1_000_000_000)}


def test_a_clock_set_back_gives_no_budget_anew(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1.0, "day")}) as book:
        book.settle(reserved(book.reserve("key_a", "intent", 1.0, NOON_S)), 1.0)
        assert isinstance(book.reserve("key_a", "intent", 0.1, NOON_S - 2 * DAY_S), Refused)


def test_what_was_spent_before_counts(tmp_path: Path) -> None:
    spent = Spent({("key_a", "intent", TODAY - 1): 250_000_000, ("key_a", "intent", TODAY): 500_000_000}, 7)
    budgets = {"key_a": Budget(1.0, "day")}
    with ledger(tmp_path, key=budgets, task={"intent": Budget(1.0, "month")}, spent=spent) as book:
        assert book.left_usd("key", "key_a", NOON_S) == 0.5
        assert book.left_usd("task", "intent", NOON_S) == 0.25


def test_a_commit_that_failed_is_added_up_again(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        for _ in range(2):
            book.settle(reserved(book.reserve("key_a", "intent", 1.0, NOON_S)), 1.0)
        first = book.take_pending()
        book.settle(reserved(book.reserve("key_a", "intent", 1.0, NOON_S)), 1.0)
        book.give_back(first)
        again = book.take_pending()
    assert (dict(again.sums), again.through_seq) == ({("key_a", "intent", TODAY): (3, 3_000_000_000)}, 3)


def test_settled_reservations_are_forgotten_though_an_older_one_is_open(tmp_path: Path) -> None:
    with ledger(tmp_path) as book:
        reserved(book.reserve("key_a", "intent", 1.0, NOON_S))
        for _ in range(100):
            book.settle(reserved(book.reserve("key_a", "intent", 1.0, NOON_S)), 1.0)
        assert len(book._open) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["key_a", "key_b"]),
            st.integers(0, 400),
            st.floats(0.0, 1.0),
            st.sampled_from(["settle", "release", "keep"]),
            st.integers(0, 2_000),
        ),
        max_size=60,
    )
)
def test_no_budget_is_ever_overrun_by_requests_that_cost_at_most_what_they_reserved(
    tmp_path_factory: pytest.TempPathFactory, requests: list[tuple[str, int, float, str, int]]
) -> None:
    budgets = {"key_a": Budget(1e-6, "total"), "key_b": Budget(5e-7, "total")}
    task = {"intent": Budget(1.2e-6, "total")}
    now_s = NOON_S
    paid = {"key_a": 0, "key_b": 0}
    with ledger(tmp_path_factory.mktemp("l"), key=budgets, task=task) as book:
        kept = []
        for key, most, share, end, pause_s in requests:
            now_s += pause_s
            found = book.reserve(key, "intent", most * 1e-9, now_s)
            if isinstance(found, Refused):
                continue
            cost = int(most * share)
            if end == "keep":
                kept.append((found, cost))
            elif end == "release":
                book.release(found)
            else:
                book.settle(found, cost * 1e-9)
                paid[key] += cost
            assert all(paid[k] <= budgets[k].nanos for k in paid)
            assert sum(paid.values()) <= task["intent"].nanos
        # What lapsed may be charged over the budget, so it is left out; all else must be free again.
        for held, _ in kept:
            book.release(held)
        pending = book.take_pending().sums
        for key, cost in paid.items():
            assert round((book.left_usd("key", key, now_s) or 0.0) * 1e9) == budgets[key].nanos - cost
            assert sum(amount for (of, _, _), (_, amount) in pending.items() if of == key) == cost


def test_threads_that_reserve_at_once_never_overrun_it(tmp_path: Path) -> None:
    with ledger(tmp_path, key={"key_a": Budget(1e-6, "total")}) as book:
        paid: list[int] = []

        def ask() -> None:
            for _ in range(300):
                found = book.reserve("key_a", "intent", 3e-9, NOON_S)
                if isinstance(found, Reservation):
                    book.settle(found, 3e-9)
                    paid.append(3)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(paid) == 999
        assert sum(charge.nanos for charge in book._journal.replay()) == 999


@pytest.mark.parametrize("usd", [-1.0, float("nan"), float("inf")])
def test_a_budget_that_is_none_is_refused(usd: float) -> None:
    with pytest.raises(SettingsError):
        Budget(usd)
