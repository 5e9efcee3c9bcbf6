"""`routenlp bench gateway`: the same requests straight to the stub, through a bare pass-through, through the gateway.

All take turns within each number of connections, so that a busy moment of the machine hits all of them; of the
rounds' figures the median is reported. Added latency is the difference of medians against the stub itself. Other
gateways (`peers`) take part where the caller names their folders; one that is not there is absent, and never a zero.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from routenlp.bench.frame import at_least, at_most
from routenlp.bench.gateway import peers, processes, world
from routenlp.bench.gateway.load import Loaded, load
from routenlp.bench.gateway.peers import LITELLM, PORTKEY, Peer
from routenlp.bench.gateway.processes import Served
from routenlp.store.sql import keys
from routenlp.store.sql.database import open_store

CONNECTIONS = (1, 16, 64)
ROUNDS = 5
CPU_MS, ADDED_MS, RSS_MB, GROWTH_MB = 0.9, 1.2, 200.0, 10.0
TIMES_LITELLM = 12.0
PEERS_SHARE = 10
"""Other gateways get one request in so many: at a hundred a second all would take ten minutes."""
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
    peers: Mapping[str, str | None]
    """Version of each other gateway; None: absent."""
    failures: tuple[str, ...]
    """What other gateways could not do here, in words: it has no row."""
    early_rss_mb: float
    late_rss_mb: float
    long_requests: int
    seconds: float

    def row(self, system: str, connections: int, *, stream: bool = False) -> Row:
        """The one row of this kind."""
        return next(r for r in self.rows if (r.system, r.connections, r.stream) == (system, connections, stream))

    def times(self, peer: str) -> float | None:
        """How many times its requests a second ours are, at the number of connections where that is least."""
        if self.peers.get(peer) is None:
            return None
        theirs = {row.connections: row for row in self.rows if row.system == peer and not row.stream}
        ratios = [self.row(OURS, n).requests_per_s / row.requests_per_s for n, row in theirs.items()]
        return min(ratios, default=None)

    def added_ms(self, system: str, connections: int) -> float:
        """Median latency over the stub's own."""
        return self.row(system, connections).p50_ms - self.row(STUB, connections).p50_ms


@dataclass(frozen=True, slots=True)
class _System:
    """One under measurement, and how it is asked."""

    served: Served
    key: str = "unused"
    model: str = world.ROUTED
    headers: Mapping[str, str] = field(default_factory=dict)
    share: int = 1
    """It gets one request in so many."""

    def load(self, requests: int, connections: int, *, seed: int, stream: bool) -> Loaded:
        """Sends so many requests."""
        sent = world.bodies(requests, seed=seed, stream=stream, model=self.model)
        return load(self.served.url, sent, connections, self.key, self.headers)


def run(
    *,
    requests: int,
    long_requests: int,
    seed: int,
    advance: Callable[[str], None],
    litellm: Path | None = None,
    portkey: Path | None = None,
) -> Found:
    """Measures all; `requests` a round and system, `long_requests` for memory. Needs the extras gateway and bench.

    `litellm`, `portkey`: where these are installed; None: they are absent.
    """
    begun_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        advance("training a router")
        world.train_router(folder / "router", folder, seed=seed)
        systems = _own(folder, running)
        versions: dict[str, str | None] = {LITELLM: None, PORTKEY: None}
        for peer in _peers(litellm, portkey, systems[0].served.url, folder):
            advance(f"starting {peer.name} {peer.version}")
            systems.append(_started(peer, folder, running))
            versions[peer.name] = peer.version
        rows: list[Row] = []
        failures: list[str] = []
        for stream in (False, True):
            for connections in CONNECTIONS:
                advance(what := f"{connections} connections{', streams' if stream else ''}")
                able = [system for system in systems if not _fails(system, seed, failures, what, stream=stream)]
                rows += _rounds(able, requests, connections, seed, stream=stream)
        advance(f"{long_requests:,} requests for memory")
        ours = next(system for system in systems if system.served.name == OURS)
        early, late = _long_run(ours, long_requests, seed)
    return Found(tuple(rows), versions, tuple(failures), early, late, long_requests, time.perf_counter() - begun_s)


def _own(folder: Path, running: ExitStack) -> list[_System]:
    """The stub first."""

    def start(name: str, *arguments: str) -> Served:
        served = processes.start(name, arguments, folder=folder)
        running.callback(served.stop)
        return served

    key = _make_key(folder / "store.db")
    stub = start(STUB, "-m", "routenlp.bench.gateway.stub")
    bare = start(BARE, "-m", "routenlp.bench.gateway.pass_through", stub.url)
    text = world.settings_text(stub.url, folder / "router", folder / "store.db")
    (folder / "routenlp.yaml").write_text(text, encoding="utf-8")
    ours = start(OURS, "-c", "from routenlp.cli.app import main; main()", "serve")
    return [_System(stub), _System(bare), _System(ours, key)]


def _peers(litellm: Path | None, portkey: Path | None, upstream: str, folder: Path) -> Iterator[Peer]:
    if litellm is not None:
        yield peers.litellm(litellm, upstream, folder)
    if portkey is not None:
        yield peers.portkey(portkey, upstream)


def _started(peer: Peer, folder: Path, running: ExitStack) -> _System:
    body = world.bodies(1, seed=0, stream=False, model=peer.model)

    def answers() -> bool:
        try:
            return not load(peer.url, body, 1, peer.key, peer.headers).refused
        except OSError:
            return False

    served = processes.start_other(peer.name, peer.command, peer.url, peer.environ, answers, folder=folder)
    running.callback(served.stop)
    return _System(served, peer.key, peer.model, peer.headers, PEERS_SHARE)


def _make_key(store: Path) -> str:
    connection = open_store(store)
    try:
        return keys.create(connection, "bench", now_s=time.time()).secret
    finally:
        connection.close()


def _fails(system: _System, seed: int, failures: list[str], what: str, *, stream: bool) -> bool:
    """Whether another gateway cannot answer such a request at all, which is then told; ours has to."""
    if system.share == 1:
        return False
    try:
        if not system.load(1, 1, seed=seed, stream=stream).refused:
            return False
        failures.append(f"{system.served.name}, {what}: answered with an error")
    except OSError as exc:
        failures.append(f"{system.served.name}, {what}: {exc}")
    return True


def _rounds(systems: Sequence[_System], requests: int, connections: int, seed: int, *, stream: bool) -> list[Row]:
    seen: dict[str, list[tuple[Loaded, float]]] = {system.served.name: [] for system in systems}
    for repeat in range(ROUNDS + 1):
        for system in systems:
            before_s = system.served.cpu_s()
            loaded = system.load(requests // system.share, connections, seed=seed + 1 + repeat, stream=stream)
            if repeat:  # the first round warms up
                seen[system.served.name].append((loaded, system.served.cpu_s() - before_s))
    return [_row(system.served, seen[system.served.name], connections, stream=stream) for system in systems]


def _row(system: Served, seen: Sequence[tuple[Loaded, float]], connections: int, *, stream: bool) -> Row:
    def middle(values: Sequence[float]) -> float:
        return statistics.median(values)

    cuts = [statistics.quantiles(loaded.latencies_s, n=100) for loaded, _ in seen]
    return Row(
        system=system.name,
        stream=stream,
        connections=connections,
        requests=sum(len(loaded.latencies_s) for loaded, _ in seen),
        p50_ms=middle([cut[49] for cut in cuts]) * 1e3,
        p99_ms=middle([cut[98] for cut in cuts]) * 1e3,
        requests_per_s=middle([len(loaded.latencies_s) / loaded.seconds for loaded, _ in seen]),
        cpu_ms_a_request=middle([cpu_s / len(loaded.latencies_s) for loaded, cpu_s in seen]) * 1e3,
        rss_mb=system.rss_mb(),
        refused=sum(loaded.refused for loaded, _ in seen),
    )


def _long_run(ours: _System, requests: int, seed: int) -> tuple[float, float]:
    tenth = max(requests // 10, 1)
    early = 0.0
    for part in range(10):
        ours.load(tenth, 16, seed=seed + 100 + part, stream=False)
        early = ours.served.rss_mb() if part == 0 else early
    return early, ours.served.rss_mb()


def checks(found: Found) -> list[dict[str, object]]:
    """The promises."""
    ours, times = found.row(OURS, 1), found.times(LITELLM)
    beside = [] if times is None else [at_least("requests/s, times LiteLLM's", times, TIMES_LITELLM)]
    return [
        *beside,
        at_most("added p50 at one connection, ms", found.added_ms(OURS, 1), ADDED_MS),
        at_most("CPU-ms a request at one connection", ours.cpu_ms_a_request, CPU_MS),
        at_most("CPU-ms a request at 64 connections", found.row(OURS, 64).cpu_ms_a_request, CPU_MS),
        at_most("resident memory, MB", found.late_rss_mb, RSS_MB),
        at_most("growth of memory over the long run, MB", found.late_rss_mb - found.early_rss_mb, GROWTH_MB),
        at_most("requests refused", float(sum(row.refused for row in found.rows if row.system == OURS)), 0.0),
    ]
