"""`routenlp bench gateway`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from routenlp.bench.frame import all_hold, check_line, frame
from routenlp.bench.gateway.run import Found, checks, run
from routenlp.bench.progress import progress_on
from routenlp.bench.six_tasks.table import Table
from routenlp.cli.screen import open_console, show_lines, show_tables, write_json

REQUESTS, LONG = 1_500, 200_000
QUICK_REQUESTS, QUICK_LONG = 300, 5_000
SEED = 0


def bench(json_target: str | None, *, quick: bool, litellm: Path | None, portkey: Path | None) -> None:
    """Measure what the gateway adds. Exits 1 where a promise is missed."""
    progress = progress_on(sys.stderr)
    requests, long_requests = (QUICK_REQUESTS, QUICK_LONG) if quick else (REQUESTS, LONG)
    with progress.stage("measuring the gateway"):
        found = run(
            requests=requests,
            long_requests=long_requests,
            seed=SEED,
            advance=_say,
            litellm=litellm,
            portkey=portkey,
        )
    checked = checks(found)
    console = open_console(stderr=json_target == "-")
    show_tables(console, [_table(found, stream=False), _table(found, stream=True)])
    memory = (
        f"Memory: {found.early_rss_mb:.0f} MB after the first tenth of {found.long_requests:,} requests, "
        f"{found.late_rss_mb:.0f} MB at the end."
    )
    show_lines(
        console, [*_peers(found), memory, *(check_line(check) for check in checked), f"Took {found.seconds:.0f} s."]
    )
    if json_target is not None:
        rows = [asdict(row) for row in found.rows]
        memory_mb = {"early": found.early_rss_mb, "late": found.late_rss_mb, "requests": found.long_requests}
        write_json(
            frame(
                "gateway",
                seed=SEED,
                seconds=found.seconds,
                rows=rows,
                checks=checked,
                memory=memory_mb,
                peers=dict(found.peers),
                peers_failed=list(found.failures),
                quick=quick,
            ),
            json_target,
        )
    if not all_hold(checked):
        sys.exit(1)


def _peers(found: Found) -> Iterator[str]:
    """Who took part, and who did not: absent is not zero."""
    for name, version in found.peers.items():
        if version is None:
            yield f"{name}: absent. --{name.lower()} names the folder where it is installed."
        elif (times := found.times(name)) is not None:
            yield f"{name} {version}: ours serves {times:.1f} times its requests a second, or more."
    yield from found.failures


def _say(what: str) -> None:
    sys.stderr.write(f"  {what}\n")


def _table(found: Found, *, stream: bool) -> Table:
    rows = tuple(
        (
            row.system,
            str(row.connections),
            f"{row.p50_ms:.2f}",
            f"{row.p99_ms:.2f}",
            f"{row.requests_per_s:,.0f}",
            f"{row.cpu_ms_a_request:.2f}",
            f"{row.rss_mb:.0f}",
        )
        for row in found.rows
        if row.stream is stream
    )
    heads = ("system", "connections", "p50 ms", "p99 ms", "requests/s", "CPU-ms a request", "MB")
    return Table("Streams" if stream else "Whole answers", heads, rows)
