"""One POST over one of aiohttp's kept connections.

aiohttp looks up addresses, connects, keeps connections and parses what comes back. The way through its session costs
three times as much as all of that (headers merged anew, cookies, redirects, a task to send the body), and an endpoint
needs none of it: the head of its requests is written once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError, RawResponseMessage
from multidict import CIMultiDictProxy
from yarl import URL

from routenlp.backends.remote.failures import leave_unanswered

_ACCEPT_AS_IS = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
FAILURES = (aiohttp.ClientError, HttpProcessingError, OSError)
"""What `post`, and reading `Reply.content`, may raise."""


class Reply:
    """A response whose headers are read. Must be released or closed."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self,
        connection: aiohttp.connector.Connection,
        status: int,
        headers: CIMultiDictProxy[str],
        content: aiohttp.StreamReader,
    ) -> None:
        self._connection = connection
        self.status = status
        self.headers = headers
        self.content = content
        """The body, as it comes."""

    @property
    def content_type(self) -> str:
        """Without its parameters; empty where none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def release(self) -> None:
        """Hands the connection back where the whole body has come, else closes it. Safe to call twice."""
        self._connection.release()

    def close(self) -> None:
        """Closes the connection, unless it was handed back."""
        self._connection.close()


async def _head_of_answer(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    try:
        message, content = await protocol.read()
        while 100 <= message.code < 200 and message.code != 101:
            message, content = await protocol.read()
    except asyncio.CancelledError as error:
        leave_unanswered(error)
        raise
    return message, content


class Address:
    """Where an endpoint's requests go. Belongs to the event loop in which `session` was made."""

    def __init__(self, url: str, headers: Mapping[str, str], session: aiohttp.ClientSession, connect_s: float) -> None:
        """`headers`: beside those that are the same everywhere."""
        self._url = URL(url)
        self._headers = {**_ACCEPT_AS_IS, **headers}
        self._session = session
        self._connect = aiohttp.ClientTimeout(total=None, sock_connect=connect_s)
        self._request: aiohttp.ClientRequest | None = None
        self._head = b""

    async def post(self, body: bytes) -> Reply:
        """What the endpoint answers to `body`, once its headers are there; raises one of `FAILURES`.

        A cancellation while they are waited for says that the endpoint is left unanswered (`failures.is_unanswered`).
        """
        connector = self._session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("The session is closed")
        connection = await connector.connect(self._request or self._prepare(), traces=[], timeout=self._connect)
        try:
            protocol = connection.protocol
            if protocol is None or protocol.transport is None:
                raise aiohttp.ClientConnectionResetError("The connection was closed")
            protocol.set_response_params(read_until_eof=True)
            protocol.transport.write(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
            message, content = await _head_of_answer(protocol)
        except BaseException:
            connection.close()
            raise
        return Reply(connection, message.code, message.headers, content)

    def _prepare(self) -> aiohttp.ClientRequest:
        """What all requests to this address have in common, and what aiohttp knows its connections by."""
        request = aiohttp.ClientRequest(
            "POST",
            self._url,
            headers=self._headers,
            skip_auto_headers=self._session.skip_auto_headers,
            loop=asyncio.get_running_loop(),
            session=self._session,
        )
        fields = [f"{name}: {value}\r\n" for name, value in request.headers.items() if name != "Content-Length"]
        self._head = f"POST {self._url.raw_path_qs} HTTP/1.1\r\n{''.join(fields)}Content-Length: ".encode()
        self._request = request
        return request
