"""The server of a page for one person on one machine. What it was not made to answer, it does not answer.

Whoever knows the address may read queries and store what a person says, so the address holds a random token and goes to
nobody: no page links out, and no other site may read, frame or post to it. A request must name this machine as its
host, which a name that an attacker points here does not, and a form must come from the page itself.
"""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from routenlp.worker.page.fields import MOST_BYTES
from routenlp.worker.page.html import style, word_page

_HEADERS = {
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True, eq=False)
class Guarded:
    """An ASGI application."""

    answer: Callable[[Request], Awaitable[Response]]
    """Of a GET, or of a POST that came from the page itself."""
    token: str
    hosts: frozenset[str]
    """What a request may call this server: name and port."""

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
            return await self.answer(request)
        except sqlite3.OperationalError:
            return said(503, "The store is busy", "Another process writes to it. Send the form again.")


async def read_body(request: Request) -> bytes | None:
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


def said(status: int, title: str, text: str) -> Response:
    """A page that only says something."""
    return HTMLResponse(as_bytes(word_page(title, text)), status)


def as_bytes(page: str) -> bytes:
    """Half a character, which a model can answer with, is shown as a question mark."""
    return page.encode("utf-8", "replace")
