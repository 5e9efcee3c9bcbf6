"""How long the packaged model takes on this machine's CPU: tokens a second, read and written, by backend `local`.

The recordings themselves may come from a card; what a tier that runs beside the gateway would take follows from each
row's tokens: `fixed_s + input / read_tokens_per_s + output / written_tokens_per_s`.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routenlp.backends.local.server import LocalModel, LocalServer
from routenlp.bench.record.asked import SMOLLM2, SYSTEM, Asked
from routenlp.errors import BackendError
from routenlp.training.distil.chat_lines import asked

QUERIES = 50
THREADS = 2
_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over queries, each asked alone."""

    queries: int
    threads: int
    fixed_s: float
    """What a query takes beside reading and writing."""
    read_tokens_per_s: float
    written_tokens_per_s: float


def measure(
    weights: Path, rows: Sequence[tuple[str, Asked]], most_tokens: int, advance: Callable[[int, int], None]
) -> Speed:
    """Asks the prompted model's prompts of (task, row) pairs. Raises `BackendError` where the server does not answer."""
    server = LocalServer(LocalModel("smollm2", weights, slots=1, threads=THREADS, most_tokens=most_tokens))
    read, written, beside = [], [], []
    try:
        for done, (task, row) in enumerate(rows):
            begun_s = time.perf_counter()
            timings = _ask(server, task, row)
            took_s = time.perf_counter() - begun_s
            read.append(timings["prompt_n"] / timings["prompt_ms"] * 1_000.0)
            if timings["predicted_n"] > 1:
                written.append(timings["predicted_n"] / timings["predicted_ms"] * 1_000.0)
            beside.append(max(took_s - (timings["prompt_ms"] + timings["predicted_ms"]) / 1_000.0, 0.0))
            advance(done + 1, len(rows))
    finally:
        server.close()
    fixed, reads, writes = (float(np.median(values)) for values in (beside, read, written))
    return Speed(len(rows), THREADS, round(fixed, 4), round(reads, 1), round(writes, 1))


def _ask(server: LocalServer, task: str, row: Asked) -> dict[str, float]:
    body = {
        "messages": asked(row.query(task, SMOLLM2), SYSTEM[task]),
        "temperature": 0.0,
        "cache_prompt": False,
    }
    headers = {"content-type": "application/json", "authorization": f"Bearer {server.key}"}
    request = urllib.request.Request(f"{server.url}/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as reply:  # noqa: S310
            timings = json.load(reply)["timings"]
            return {name: float(timings[name]) for name in ("prompt_n", "prompt_ms", "predicted_n", "predicted_ms")}
    except (OSError, KeyError, ValueError) as exc:
        raise BackendError("local model", f"did not answer with its timings ({exc})", "See its log.") from exc
