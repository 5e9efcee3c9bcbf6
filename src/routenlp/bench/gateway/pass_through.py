"""The least that a gateway in Python can do: Starlette before aiohttp, bytes for bytes. What ours is compared with.

`python -m routenlp.bench.gateway.pass_through UPSTREAM`
"""

from __future__ import annotations

import asyncio
import socket
import sys

import aiohttp
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def listen(upstream: str) -> None:
    """Says its address on standard output, and answers until it is killed."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def chat(request: Request) -> Response:
            body = await request.body()
            async with session.post(f"{upstream}/v1/chat/completions", data=body) as answer:
                return Response(await answer.read(), answer.status, media_type=answer.content_type)

        app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
        sock.listen(1024)
        host, port = sock.getsockname()
        sys.stdout.write(f"http://{host}:{port}\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", http="httptools", ws="none")
        await uvicorn.Server(config).serve(sockets=[sock])


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(listen(sys.argv[1]))
