"""The ledger: budgets by reserve, then settle. Balances live in memory, charges in the journal and the database.

    reserve(most it can cost) ─▶ Reservation ─▶ settle(what it did cost)
            └─▶ Refused                     └─▶ release()

A reservation is made only if what was spent, what is reserved and itself fit within the budgets of its key and of its
task, in one step under one lock. So as long as no request costs more than it reserved, no budget is ever overrun,
however many requests run at once. One that does cost more is charged in full all the same: money spent is spent.
A charge counts in the period in which it was reserved. One process holds the ledger of a store (`journal`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from routenlp.store.sql.journal import Charge, ChargeJournal
from routenlp.store.sql.money import MOST_USD, PERIODS, Budget, Period, day_of, first_day, nanos, nanos_above, usd_of

LAPSES_AFTER_S = 900.0
"""A reservation that nobody settled gives its amount back after so long; a later `settle` still charges."""
_Scope = Literal["key", "task"]
SpendKey = tuple[str, str, int]
"""Key id, task, day."""


@dataclass(slots=True)
class _Window:
    """One account in one period."""

    start_day: int
    spent: int = 0
    reserved: int = 0


@dataclass(slots=True, eq=False)
class Reservation:
    """An amount put aside. Only the ledger changes it."""

    key_id: str
    task: str
    day: int
    nanos: int
    lapses_s: float
    windows: tuple[_Window, ...]
    state: Literal["open", "lapsed", "closed"] = "open"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no reservation."""

    scope: _Scope
    name: str
    budget: Budget
    spent_usd: float
    reserved_usd: float


@dataclass(frozen=True, slots=True)
class PendingSpend:
    """Charges that are not in the database yet, added up: by (key, task, day) how many, and nano-dollars."""

    sums: Mapping[SpendKey, tuple[int, int]]
    through_seq: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What the database knows when a ledger opens."""

    by_day: Mapping[SpendKey, int]
    """Nano-dollars; days before this month may be added up under any earlier day."""
    through_seq: int


class _Account:
    """What one key or task spent in the periods of now."""

    __slots__ = ("_day", "_tuple", "windows")

    def __init__(self) -> None:
        self.windows: dict[Period, _Window] = {}
        self._day: int | None = None
        self._tuple: tuple[_Window, ...] = ()

    def at(self, day: int) -> tuple[_Window, ...]:
        """The windows that hold `day`, made where it begins a new period. A clock set back stays in the later one."""
        if day == self._day:
            return self._tuple
        for period in PERIODS:
            start = first_day(period, day)
            window = self.windows.get(period)
            if window is None or start > window.start_day:
                self.windows[period] = _Window(start)
        self._day, self._tuple = day, tuple(self.windows.values())
        return self._tuple


class Ledger:
    """Thread-safe. Nothing in it waits for the database.

    `key_budget(key_id)` gives a key's budget in force, or None; `task_budgets` those of tasks. `spent` and `journal`
    are what was kept (`writer.open_record` puts them together).
    """

    def __init__(
        self,
        journal: ChargeJournal,
        spent: Spent,
        *,
        key_budget: Callable[[str], Budget | None],
        task_budgets: Mapping[str, Budget],
    ) -> None:
        self._journal = journal
        self._key_budget = key_budget
        self.task_budgets = task_budgets
        """May be replaced when settings are reloaded."""
        self._lock = threading.Lock()
        self._accounts: dict[tuple[_Scope, str], _Account] = defaultdict(_Account)
        self._open: OrderedDict[Reservation, None] = OrderedDict()
        self._pending: dict[SpendKey, tuple[int, int]] = {}
        self._seq = spent.through_seq
        self.unjournalled = 0
        """Charges that the journal could not take: in memory and, with the next commit, in the database."""
        for (key_id, task, day), amount in sorted(spent.by_day.items(), key=lambda item: item[0][2]):
            for window in self._windows(key_id, task, day):
                window.spent += amount

    def reserve(self, key_id: str | None, task: str, usd: float, now_s: float) -> Reservation | Refused:
        """Puts `usd` aside, the most that the request can cost, or says which budget does not have it. Never raises.

        An amount that is endless, or no number, is more than any budget has.
        """
        amount = max(0, nanos_above(usd)) if usd <= MOST_USD else nanos_above(MOST_USD) + 1
        key, task, day = _plain(key_id or ""), _plain(task), day_of(now_s)
        with self._lock:
            self._lapse(now_s)
            refused = self._refusal(key, task, day, amount)
            if refused is not None:
                return refused
            windows = self._windows(key, task, day)
            for window in windows:
                window.reserved += amount
            reservation = Reservation(key, task, day, amount, now_s + LAPSES_AFTER_S, windows)
            self._open[reservation] = None
            return reservation

    def settle(self, reservation: Reservation, usd: float) -> None:
        """Charges `usd` in place of what was reserved. When this returns, a kill of the process loses nothing of it.

        A second time, or after `release`, does nothing. Never raises for want of disk: see `unjournalled`.
        """
        amount = max(0, nanos(usd))
        with self._lock:
            if not self._close(reservation) or amount == 0:
                return
            for window in reservation.windows:
                window.spent += amount
            self._seq += 1
            charge = Charge(self._seq, reservation.key_id, reservation.task, reservation.day, amount)
            try:
                self._journal.write(charge)
            except OSError:
                self.unjournalled += 1
            self._add_pending((charge.key_id, charge.task, charge.day), 1, amount)

    def release(self, reservation: Reservation) -> None:
        """Gives the amount back: the request cost nothing. Does nothing after `settle`."""
        with self._lock:
            self._close(reservation)

    def left_usd(self, scope: _Scope, name: str, now_s: float) -> float | None:
        """What a budget has left, reservations taken off; None where there is no budget."""
        budget = self._budget(scope, name)
        if budget is None:
            return None
        with self._lock:
            self._lapse(now_s)
            self._accounts[scope, name].at(day_of(now_s))
            window = self._accounts[scope, name].windows[budget.period]
            return usd_of(budget.nanos - window.spent - window.reserved)

    def take_pending(self) -> PendingSpend:
        """For the writer: what to add to the database in its next commit."""
        with self._lock:
            taken, self._pending = self._pending, {}
            return PendingSpend(taken, self._seq)

    def give_back(self, pending: PendingSpend) -> None:
        """For the writer: that commit failed."""
        with self._lock:
            for key, (count, amount) in pending.sums.items():
                self._add_pending(key, count, amount)

    def committed(self, pending: PendingSpend) -> None:
        """For the writer: that commit is on disk."""
        with self._lock:
            self._journal.committed(pending.through_seq)

    def close(self) -> None:
        """Gives the journal and its lock up. Charges that are not in the database stay in the journal."""
        with self._lock:
            self._journal.close()

    def _refusal(self, key: str, task: str, day: int, amount: int) -> Refused | None:
        scopes: tuple[tuple[_Scope, str], ...] = (("key", key), ("task", task))
        for scope, name in scopes:
            budget = self._budget(scope, name)
            if budget is None:
                continue
            self._accounts[scope, name].at(day)
            window = self._accounts[scope, name].windows[budget.period]
            if window.spent + window.reserved + amount > budget.nanos:
                return Refused(scope, name, budget, usd_of(window.spent), usd_of(window.reserved))
        return None

    def _budget(self, scope: _Scope, name: str) -> Budget | None:
        if scope == "task":
            return self.task_budgets.get(name)
        return self._key_budget(name) if name else None

    def _windows(self, key: str, task: str, day: int) -> tuple[_Window, ...]:
        windows = self._accounts["task", task].at(day)
        return (*self._accounts["key", key].at(day), *windows) if key else windows

    def _close(self, reservation: Reservation) -> bool:
        """Takes the amount back from the windows; False where it was settled or released before."""
        if reservation.state == "closed":
            return False
        if reservation.state == "open":
            del self._open[reservation]
            for window in reservation.windows:
                window.reserved -= reservation.nanos
        reservation.state = "closed"
        return True

    def _lapse(self, now_s: float) -> None:
        """All reservations live equally long, so the oldest are in front."""
        while self._open:
            oldest = next(iter(self._open))
            if oldest.lapses_s > now_s:
                return
            self._close(oldest)
            oldest.state = "lapsed"

    def _add_pending(self, key: SpendKey, count: int, amount: int) -> None:
        had_count, had_amount = self._pending.get(key, (0, 0))
        self._pending[key] = (had_count + count, had_amount + amount)


def _plain(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
