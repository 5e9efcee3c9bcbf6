"""How long the packaged model takes on this machine's processor, by backend `local`: seconds a token read and written.

The recordings may come from a card; what a tier that runs beside the gateway would take follows from each row's tokens:
`fixed_s + input x read_s + output x written_s`. Processor time of one thread, so that other work here plays no part.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from routenlp.backends.local.server import LocalModel, LocalServer
from routenlp.backends.recorded_generations import Speed
from routenlp.bench.record.asked import SMOLLM2, SYSTEM, Asked
from routenlp.errors import BackendError
from routenlp.training.distil.chat_lines import asked

QUERIES = 12
MOST_TOKENS = (1, 64)
"""Each query is asked once for every bound, so that reading and writing are told apart."""
_WITHIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Timed:
    """Least squares over queries, each asked alone: processor seconds of one thread."""

    queries: int
    speed: Speed


def measure(weights: Path, rows: Sequence[tuple[str, Asked]], advance: Callable[[int, int], None]) -> Timed:
    """Asks the prompted model's prompts of (task, row) pairs. Raises `BackendError` where there is no answer."""
    server = LocalServer(LocalModel(SMOLLM2, weights, slots=1, threads=1))
    asks = [(task, row, most) for task, row in rows for most in MOST_TOKENS]
    counts, took = [], []
    try:
        for done, (task, row, most) in enumerate(asks):
            begun_s = _processor_s(server.process_id)
            read, written = _ask(server, task, row, most)
            took.append(_processor_s(server.process_id) - begun_s)
            counts.append((1.0, read, written))
            advance(done + 1, len(asks))
    finally:
        server.close()
    return fit_speed(np.array(counts), np.array(took))


def fit_speed(
    counts: np.ndarray[tuple[int, int], np.dtype[np.float64]], took_s: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Timed:
    """`counts`: 1, tokens read, tokens written, shape (queries, 3). No term is negative."""
    from scipy.optimize import nnls

    fixed, read, written = (round(float(x), 6) for x in nnls(counts, took_s)[0])
    return Timed(len(took_s), Speed(fixed, read, written))


def _processor_s(process: int) -> float:
    """All that a process has used so far, its threads together."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except (OSError, IndexError) as exc:
        raise BackendError("latency", f"cannot be measured ({exc})", "Measure it on Linux.") from exc
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _ask(server: LocalServer, task: str, row: Asked, most: int) -> tuple[float, float]:
    """Tokens read and written."""
    body = {
        "messages": asked(row.query(task, SMOLLM2), SYSTEM[task]),
        "max_tokens": most,
        "temperature": 0.0,
        "cache_prompt": False,
    }
    headers = {"content-type": "application/json", "authorization": f"Bearer {server.key}"}
    request = urllib.request.Request(f"{server.url}/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as reply:  # noqa: S310
            usage = json.load(reply)["usage"]
            return float(usage["prompt_tokens"]), float(usage["completion_tokens"])
    except (OSError, KeyError, ValueError) as exc:
        raise BackendError("local model", f"did not answer with its token counts ({exc})", "See its log.") from exc
