"""`routenlp bench gateway`: the same requests straight to the stub, through a bare pass-through, through the gateway.

The three take turns within each number of connections, so that a busy moment of the machine hits all of them; of the
rounds' figures the median is reported. Added latency is the difference of medians against the stub itself.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.frame import at_most
from routenlp.bench.gateway import processes, world
from routenlp.bench.gateway.load import Loaded, load
from routenlp.bench.gateway.processes import Served
from routenlp.store.sql import keys
from routenlp.store.sql.database import open_store

CONNECTIONS = (1, 16, 64)
ROUNDS = 5
CPU_MS, ADDED_MS, RSS_MB, GROWTH_MB = 0.9, 1.2, 200.0, 10.0
STUB, BARE, OURS = "stub alone", "bare pass-through", "gateway"


@dataclass(frozen=True, slots=True)
class Row:
    """One system at one number of connections."""

    system: str
    stream: bool
    connections: int
    requests: int
    p50_ms: float
    p99_ms: float
    requests_per_s: float
    cpu_ms_a_request: float
    rss_mb: float
    refused: int


@dataclass(frozen=True, slots=True)
class Found:
    """All rows, and memory over a long run: after its first tenth, and at its end."""

    rows: tuple[Row, ...]
    early_rss_mb: float
    late_rss_mb: float
    long_requests: int
    seconds: float

    def row(self, system: str, connections: int, *, stream: bool = False) -> Row:
        """The one row of this kind."""
        return next(r for r in self.rows if (r.system, r.connections, r.stream) == (system, connections, stream))

    def added_ms(self, system: str, connections: int) -> float:
        """Median latency over the stub's own."""
        return self.row(system, connections).p50_ms - self.row(STUB, connections).p50_ms


def run(*, requests: int, long_requests: int, seed: int, advance: Callable[[str], None]) -> Found:
    """Measures all; `requests` a round and system, `long_requests` for memory. Needs the extras gateway and bench."""
    begun_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        advance("training a router")
        world.train_router(folder / "router", folder, seed=seed)
        key = _make_key(folder / "store.db")
        systems: list[Served] = []
        try:
            systems.append(processes.start(STUB, ["-m", "routenlp.bench.gateway.stub"], folder=folder))
            upstream = systems[0].url
            systems.append(
                processes.start(BARE, ["-m", "routenlp.bench.gateway.pass_through", upstream], folder=folder)
            )
            text = world.settings_text(upstream, folder / "router", folder / "store.db")
            (folder / "routenlp.yaml").write_text(text, encoding="utf-8")
            serve = "from routenlp.cli.app import main; main()"
            systems.append(processes.start(OURS, ["-c", serve, "serve"], folder=folder))
            rows = []
            for stream in (False, True):
                for connections in CONNECTIONS:
                    advance(f"{connections} connections{', streams' if stream else ''}")
                    rows += _rounds(systems, requests, connections, key, seed, stream=stream)
            advance(f"{long_requests:,} requests for memory")
            early, late = _long_run(systems[-1], long_requests, key, seed)
        finally:
            for system in reversed(systems):
                system.stop()
    return Found(tuple(rows), early, late, long_requests, time.perf_counter() - begun_s)


def _make_key(store: Path) -> str:
    connection = open_store(store)
    try:
        return keys.create(connection, "bench", now_s=time.time()).secret
    finally:
        connection.close()


def _rounds(
    systems: Sequence[Served], requests: int, connections: int, key: str, seed: int, *, stream: bool
) -> list[Row]:
    seen: dict[str, list[tuple[Loaded, float]]] = {system.name: [] for system in systems}
    for repeat in range(ROUNDS + 1):
        sent = world.bodies(requests, seed=seed + 1 + repeat, stream=stream)
        for system in systems:
            before_s = system.cpu_s()
            loaded = load(system.url, sent, connections, key)
            if repeat:  # the first round warms up
                seen[system.name].append((loaded, system.cpu_s() - before_s))
    return [_row(system, seen[system.name], requests, connections, stream=stream) for system in systems]


def _row(system: Served, seen: Sequence[tuple[Loaded, float]], requests: int, connections: int, *, stream: bool) -> Row:
    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    cuts = [statistics.quantiles(loaded.latencies_s, n=100) for loaded, _ in seen]
    return Row(
        system=system.name,
        stream=stream,
        connections=connections,
        requests=requests * len(seen),
        p50_ms=middle([cut[49] for cut in cuts]) * 1e3,
        p99_ms=middle([cut[98] for cut in cuts]) * 1e3,
        requests_per_s=middle([requests / loaded.seconds for loaded, _ in seen]),
        cpu_ms_a_request=middle([cpu_s / requests for _, cpu_s in seen]) * 1e3,
        rss_mb=system.rss_mb(),
        refused=sum(loaded.refused for loaded, _ in seen),
    )


def _long_run(system: Served, requests: int, key: str, seed: int) -> tuple[float, float]:
    tenth = max(requests // 10, 1)
    early = 0.0
    for part in range(10):
        load(system.url, world.bodies(tenth, seed=seed + 100 + part, stream=False), 16, key)
        early = system.rss_mb() if part == 0 else early
    return early, system.rss_mb()


def checks(found: Found) -> list[dict[str, object]]:
    """The promises."""
    ours = found.row(OURS, 1)
    return [
        at_most("added p50 at one connection, ms", found.added_ms(OURS, 1), ADDED_MS),
        at_most("CPU-ms a request at one connection", ours.cpu_ms_a_request, CPU_MS),
        at_most("CPU-ms a request at 64 connections", found.row(OURS, 64).cpu_ms_a_request, CPU_MS),
        at_most("resident memory, MB", found.late_rss_mb, RSS_MB),
        at_most("growth of memory over the long run, MB", found.late_rss_mb - found.early_rss_mb, GROWTH_MB),
        at_most("requests refused", float(sum(row.refused for row in found.rows)), 0.0),
    ]
