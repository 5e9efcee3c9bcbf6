"""What the page of `compare serve` answers: the next pair, and which answer a person finds better."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from routenlp.errors import DataError
from routenlp.store.sql.pairs import Pair, Rating, read_rating
from routenlp.worker.page.fields import BadForm, read_fields
from routenlp.worker.page.guard import as_bytes, read_body, said
from routenlp.worker.pair_page.page import Shown, pair_page
from routenlp.worker.pairs import import_verdicts, shown, spoken

_OVER = "Every pair that was drawn is compared. `routenlp compare serve -n` with a larger number draws more."
_GONE = "That pair was never asked here. Nothing was stored."


class PairPage:
    """Of one rater."""

    def __init__(
        self, connection: sqlite3.Connection, waiting: Iterable[tuple[Pair, Rating]], clock: Callable[[], float]
    ) -> None:
        """`waiting`: pairs that the rater has said nothing of, in order."""
        self._connection = connection
        self._pairs = {rating.id: pair for pair, rating in waiting}
        self._waiting = deque(self._pairs)
        self._clock = clock

    def __len__(self) -> int:
        return len(self._waiting)

    async def answer(self, request: Request) -> Response:
        """Of a request that the page itself may have made."""
        if request.method == "GET":
            return self._show(request.query_params.get("id"), request.query_params.get("saved"))
        return await self._take(request)

    def _show(self, name: str | None, saved: str | None) -> Response:
        if name is None and not self._waiting:
            return said(200, "Done", _OVER)
        wanted = self._waiting[0] if name is None else name
        known = saved if saved in self._pairs else None
        return self._page(wanted, saved=known) if wanted in self._pairs else said(404, "That pair", _GONE)

    async def _take(self, request: Request) -> Response:
        body = await read_body(request)
        if body is None:
            return said(413, "Too long", "A form of this page is short.")
        try:
            fields = read_fields(body)
        except BadForm as exc:
            return said(400, "That form", f"{exc} Nothing was stored.")
        name = fields.get("id", "")
        if name not in self._pairs:
            return said(409, "That pair", _GONE)
        if "put-off" in fields:
            self._move(name, again=True)
            return RedirectResponse("./", 303)
        return self._store(name, fields.get("verdict", ""))

    def _store(self, name: str, verdict: str) -> Response:
        if not verdict:
            return self._page(name, wrong="Say which is better, or that they are as good as each other.", status=422)
        try:
            line = json.dumps({"id": name, "verdict": verdict})
            import_verdicts(self._connection, [("the page", line)], self._clock())
        except DataError as exc:
            return self._page(name, wrong=str(exc), status=422)
        self._move(name, again=False)
        return RedirectResponse(f"./?saved={quote(name)}", 303)

    def _move(self, name: str, *, again: bool) -> None:
        if name in self._waiting:
            self._waiting.remove(name)
            self._waiting.extend([name] if again else [])

    def _page(self, name: str, *, saved: str | None = None, wrong: str | None = None, status: int = 200) -> Response:
        rating = read_rating(self._connection, name)
        if rating is None:
            return said(404, "That pair", _GONE)
        pair = self._pairs[name]
        done = len(self._pairs) - len(self._waiting)
        page = Shown(name, pair.audit, *shown(pair, rating), done, len(self._pairs), saved, wrong, spoken(rating))
        return HTMLResponse(as_bytes(pair_page(page)), status)
