"""Starts the gateway on the demo's folder in a process of its own, asks it everything, and lets it go."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from routenlp.bench.demo.folder import DemoFolder
from routenlp.bench.demo.traffic import Exchange, send
from routenlp.bench.gateway import processes
from routenlp.bench.progress import Progress
from routenlp.store.sql import keys
from routenlp.store.sql.database import open_store
from routenlp.types import Example

_SERVE = "from routenlp.cli.app import main; main()"


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back, and from where."""

    base_url: str
    exchanges: list[Exchange]
    seconds: float


def ask(folder: DemoFolder, examples: Sequence[Example], progress: Progress, *, seed: int) -> Asked:
    """Every one of `examples` over HTTP, with a key of its own. When it returns, the record is complete."""
    secret = make_key(folder, "demo")
    begun_s = time.perf_counter()
    with progress.stage("starting the gateway"):
        arguments = ["-c", _SERVE, "serve", "--settings", str(folder.settings)]
        gateway = processes.start("gateway", arguments, folder=folder.root)
    try:
        base_url = f"{gateway.url}/v1"
        with progress.stage(f"asking {base_url} with the official client") as advance:
            exchanges = send(examples, base_url, secret, advance, seed=seed)
    finally:
        gateway.stop()
    return Asked(base_url, exchanges, time.perf_counter() - begun_s)


def make_key(folder: DemoFolder, name: str) -> str:
    """A key's secret; the store is made where there is none."""
    connection = open_store(folder.store)
    try:
        return keys.create(connection, name, now_s=time.time()).secret
    finally:
        connection.close()
