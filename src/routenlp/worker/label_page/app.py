"""The page's server, for one person on one machine. What it was not made to answer, it does not answer.

Whoever knows the address may read queries and store grades, so the address holds a random token and goes to nobody: no
page links out, and no other site may read, frame or post to it. A request must name this machine as its host, which a
name that an attacker points here does not, and a form must come from the page itself.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from routenlp.errors import DataError
from routenlp.grading.metrics import METRICS
from routenlp.store.content import ContentPolicy
from routenlp.store.sql.audits import Audit
from routenlp.worker.label_page.form import MOST_BYTES, BadForm, Filled, read_form
from routenlp.worker.label_page.page import Shown, query_page, style, word_page
from routenlp.worker.label_page.queue import Queue
from routenlp.worker.labels import import_labels, letters

_HEADERS = {
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_OVER = "Every query that was drawn has its grades. `routenlp label serve -n` with a larger number draws more."
_GONE = "It does not wait for a grade: its content is gone, or it was never drawn. Nothing was stored."


@dataclass(frozen=True, slots=True, eq=False)
class LabelPage:
    """An ASGI application."""

    connection: sqlite3.Connection
    queue: Queue
    metrics: Mapping[str, str]
    """By task, how its settings say that it is graded."""
    content: ContentPolicy
    judged: bool
    """Whether there is a judge, which is to grade these queries too."""
    grader: str
    token: str
    hosts: frozenset[str]
    """What a request may call this server: name and port."""
    clock: Callable[[], float]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = self._refusal(request) or await self._answered(request)
        only = f"default-src 'none'; style-src '{style()[1]}'; form-action 'self'; base-uri 'none'"
        response.headers.update({**_HEADERS, "content-security-policy": f"{only}; frame-ancestors 'none'"})
        await response(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        """None for a request that the page itself may have made."""
        path = request.scope["path"].encode("utf-8", "replace")
        own = hmac.compare_digest(path, f"/{self.token}/".encode())
        if request.headers.get("host") not in self.hosts or not own:
            return Response(status_code=404)
        if request.method not in ("GET", "POST"):
            return Response(status_code=405, headers={"allow": "GET, POST"})
        if request.method == "POST" and not self._from_here(request):
            return Response(status_code=403)
        return None

    def _from_here(self, request: Request) -> bool:
        """A browser says where a form comes from; what says nothing is no browser, and no site can drive it."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
        return site == "same-origin" and (origin is None or origin in {f"http://{host}" for host in self.hosts})

    async def _answered(self, request: Request) -> Response:
        try:
            if request.method == "GET":
                return self._show(request.query_params.get("id"), saved=request.query_params.get("saved"))
            return await self._take(request)
        except sqlite3.OperationalError:
            return _said(503, "The store is busy", "Another process writes to it. Send the form again.")

    def _show(self, name: str | None, saved: str | None) -> Response:
        audit = self.queue.first() if name is None else self.queue.find(name)
        if audit is None:
            return _said(200, "Done", _OVER) if name is None else _said(404, "That query", _GONE)
        known = saved if saved is not None and self.queue.find(saved) is not None else None
        return HTMLResponse(_bytes(query_page(audit, self._shown(audit, saved=known))))

    async def _take(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return _said(413, "Too long", "A form of this page holds 256 KB. Use a file: `routenlp label export`.")
        try:
            filled = read_form(body)
        except BadForm as exc:
            return _said(400, "That form", f"{exc} Nothing was stored.")
        audit = self.queue.find(filled.id)
        if audit is None:
            return _said(409, "That query", _GONE)
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
        return HTMLResponse(_bytes(query_page(audit, shown)), 422)

    def _shown(self, audit: Audit, **more: object) -> Shown:
        done = self.queue.drawn - len(self.queue)
        return Shown(done, self.queue.drawn, self._by_reference(audit), **more)  # type: ignore[arg-type]

    def _by_reference(self, audit: Audit) -> bool:
        return METRICS.get(self.metrics.get(audit.task, "none")) is not None


async def _body(request: Request) -> bytes | None:
    """None for one that is too long, or whose sender left."""
    found = bytearray()
    try:
        async for chunk in request.stream():
            found += chunk
            if len(found) > MOST_BYTES:
                return None
    except ClientDisconnect:
        return None
    return bytes(found)


def _said(status: int, title: str, text: str) -> Response:
    return HTMLResponse(_bytes(word_page(title, text)), status)


def _bytes(page: str) -> bytes:
    """Half a character, which a model can answer with, is shown as a question mark."""
    return page.encode("utf-8", "replace")
