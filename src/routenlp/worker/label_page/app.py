"""What the page of `label serve` answers: the next query, and what a person says of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from routenlp.errors import DataError
from routenlp.grading.metrics import METRICS
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.audits import Audit
from routenlp.worker.label_page.form import Filled, read_form
from routenlp.worker.label_page.page import Shown, query_page
from routenlp.worker.label_page.queue import Queue
from routenlp.worker.labels import import_labels, letters
from routenlp.worker.page.fields import BadForm
from routenlp.worker.page.guard import as_bytes, read_body, said

_OVER = "Every query that was drawn has its grades. `routenlp label serve -n` with a larger number draws more."
_GONE = "It does not wait for a grade: its content is gone, or it was never drawn. Nothing was stored."


@dataclass(frozen=True, slots=True, eq=False)
class LabelPage:
    """Of one grader."""

    connection: sqlite3.Connection
    queue: Queue
    metrics: Mapping[str, str]
    """By task, how its settings say that it is graded."""
    content: ContentPolicy
    judged: bool
    """Whether there is a judge, which is to grade these queries too."""
    grader: str
    clock: Callable[[], float]

    async def answer(self, request: Request) -> Response:
        """Of a request that the page itself may have made."""
        if request.method == "GET":
            return self._show(request.query_params.get("id"), saved=request.query_params.get("saved"))
        return await self._take(request)

    def _show(self, name: str | None, saved: str | None) -> Response:
        audit = self.queue.first() if name is None else self.queue.find(name)
        if audit is None:
            return said(200, "Done", _OVER) if name is None else said(404, "That query", _GONE)
        known = saved if saved is not None and self.queue.find(saved) is not None else None
        return HTMLResponse(as_bytes(query_page(audit, self._shown(audit, saved=known))))

    async def _take(self, request: Request) -> Response:
        body = await read_body(request)
        if body is None:
            return said(413, "Too long", "A form of this page holds 256 KB. Use a file: `routenlp label export`.")
        try:
            filled = read_form(body)
        except BadForm as exc:
            return said(400, "That form", f"{exc} Nothing was stored.")
        audit = self.queue.find(filled.id)
        if audit is None:
            return said(409, "That query", _GONE)
        if filled.put_off:
            self.queue.put_off(filled.id)
            return RedirectResponse("./", 303)
        return self._store(audit, filled)

    def _store(self, audit: Audit, filled: Filled) -> Response:
        graded = filled.reference is not None and self._by_reference(audit)
        if not graded and set(filled.quality) != set(letters(audit)):
            wrong = "Grade every answer: one that is left out could be compared with nothing."
            return self._again(audit, filled, wrong)
        try:
            import_labels(
                self.connection,
                [("the page", filled.line())],
                self.metrics,
                self.content,
                grader=self.grader,
                now_s=self.clock(),
                judged=self.judged,
            )
        except DataError as exc:
            return self._again(audit, filled, str(exc))
        self.queue.done(filled.id)
        return RedirectResponse(f"./?saved={quote(filled.id)}", 303)

    def _again(self, audit: Audit, filled: Filled, wrong: str) -> Response:
        shown = self._shown(audit, wrong=wrong, reference=filled.reference or "", quality=tuple(filled.quality.items()))
        return HTMLResponse(as_bytes(query_page(audit, shown)), 422)

    def _shown(self, audit: Audit, **more: object) -> Shown:
        done = self.queue.drawn - len(self.queue)
        return Shown(done, self.queue.drawn, self._by_reference(audit), **more)  # type: ignore[arg-type]

    def _by_reference(self, audit: Audit) -> bool:
        return METRICS.get(self.metrics.get(audit.task, "none")) is not None
