"""`routenlp demo --serve`: the demo's gateway, left up; says how to ask it."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from routenlp.backends.recording import Row, read_rows
from routenlp.bench.demo.folder import DemoFolder
from routenlp.bench.demo.live import make_key
from routenlp.bench.progress import progress_on
from routenlp.cli.demo import command_name, demo_folder, prepare
from routenlp.cli.serve import check_installed
from routenlp.cli.six_tasks import built_in_settings
from routenlp.settings import Settings, load

PORT = 8080
_SHORT = 90


def run(settings_file: Path | None, environ: Mapping[str, str], *, generated: bool, folder: Path | None) -> None:
    """Serves until told to stop; trains first where no demo has left a system."""
    check_installed("routenlp demo --serve")
    settings = built_in_settings(settings_file, environ)
    place = demo_folder(settings, folder, generated=generated)
    with place.held():
        if not place.complete:
            prepare(settings, environ, place, progress_on(sys.stderr), generated=generated)
        _serve(place, environ)


def _serve(folder: DemoFolder, environ: Mapping[str, str]) -> None:
    from routenlp.gateway import server

    port = _free_port()

    def read() -> Settings:
        written = load(folder.settings, environ, default="")
        return msgspec.structs.replace(written, gateway=msgspec.structs.replace(written.gateway, port=port))

    secret = make_key(folder, "demo --serve")
    example = example_of(folder)

    def said(public: str, _: str) -> None:
        sys.stdout.write("\n".join(words(folder, public, secret, example, list(read().tasks))) + "\n")
        sys.stdout.flush()

    server.run(read, environ, said)


def words(folder: DemoFolder, url: str, secret: str, example: Row, tasks: list[str]) -> list[str]:
    """Where it listens, the key, and a question that the recording knows the answer to."""
    body = json.dumps({"model": f"auto:{example.task}", "messages": [{"role": "user", "content": example.text}]})
    return [
        f"The demo's gateway listens on {url}/v1",
        f"Key, shown once:  {secret}",
        "",
        "Ask it from another terminal:",
        f"  curl -i {url}/v1/chat/completions -H 'authorization: Bearer {secret}' \\",
        f"    -H 'content-type: application/json' -d '{body}'",
        "",
        "or from Python:",
        "  from openai import OpenAI",
        f'  client = OpenAI(base_url="{url}/v1", api_key="{secret}")',
        f'  done = client.chat.completions.create(model="auto:{example.task}",',
        f"      messages=[{{'role': 'user', 'content': {example.text!r}}}])",
        "",
        f"Models: {', '.join(f'auto:{task}' for task in tasks)}.",
        "The top tier is a recording of the held-out queries, not a model: what no cheap tier is sure of and nobody",
        "recorded is answered with an error that says so.",
        f"Why this tier: {command_name()} explain TRACE_ID --settings {folder.settings}",
        "(TRACE_ID is in each response's header x-routenlp-trace-id). Stop with Ctrl-C.",
    ]


def example_of(folder: DemoFolder) -> Row:
    """The first recorded query that is short and needs no quoting; else the first one."""
    rows = list(read_rows(folder.recording))
    plain = (row for row in rows if len(row.text) < _SHORT and row.text.isprintable() and not {*"'\\"} & {*row.text})
    return next(plain, rows[0])


def _free_port() -> int:
    """`PORT` where nobody listens on it, else any."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT
