"""What waits for a person, in its order; a query that is put off goes to the end."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable

from routenlp.store.sql import audits
from routenlp.store.sql.audits import Audit


class Queue:
    """Of one page. What others have graded meanwhile, or what is gone, is passed over when its turn comes."""

    def __init__(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        """`names`: audits that were drawn, as `labels.draw_waiting` orders them."""
        self._connection = connection
        self._waiting = deque(names)
        self._all = frozenset(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def drawn(self) -> int:
        """How many there were."""
        return len(self._all)

    def first(self) -> Audit | None:
        """The next one; None: nothing waits."""
        while self._waiting:
            audit = self.find(self._waiting[0])
            if audit is not None and not audits.people_graded(self._connection, audit.trace_id):
                return audit
            self._waiting.popleft()
        return None

    def find(self, name: str) -> Audit | None:
        """One that was drawn, graded or not; None for any other, and for one whose content is gone."""
        if name not in self._all:
            return None
        audit = audits.read_audit(self._connection, name)
        labelable = audit.request is not None and audit.state in ("answered", "graded")
        return audit if labelable else None

    def put_off(self, name: str) -> None:
        """To the end."""
        if name in self._waiting:
            self._waiting.remove(name)
            self._waiting.append(name)

    def done(self, name: str) -> None:
        """It waits no more."""
        if name in self._waiting:
            self._waiting.remove(name)
