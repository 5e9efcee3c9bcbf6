"""A small trained system that served queries over HTTP: what a turn begins with. As a script it turns, and dies.

python -m tests.loop.turn_world FOLDER STAGE     kills itself when STAGE begins
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from tests.gateway import running, tiny_system

from routenlp.backends.recording import read_recording
from routenlp.bench.demo.traffic import send
from routenlp.loop.gate import Bar
from routenlp.settings import Settings, load
from routenlp.store import rows_book
from routenlp.types import GateFold, Query, Vectors
from routenlp.worker.turn.run import Ended, Order, run_turn
from routenlp.worker.turn.system import Encoders

NOW_S = 2_000_000_000.0
LENIENT = Order(lessons=60, fewest=5, bar=Bar(margin=0.4, least_gain=-0.9, segment_margin=0.9))
GREEDY = Order(lessons=60, fewest=5, bar=Bar(margin=0.4, least_gain=0.9, segment_margin=0.9))
"""No candidate saves that much."""
STRICT = Order(lessons=60, fewest=5, bar=Bar(margin=0.003))
"""No task here has the gate rows for it."""


def make(root: Path, settings: str = tiny_system.SETTINGS) -> None:
    """Trains, serves, and asks every held-out query once."""
    tiny = tiny_system.train(root / "demo", rows=800, tested=250, eps=0.005, text=settings)
    text = tiny.folder.settings.read_text()
    assert "content:" in text
    gateway = running.start(root, text.replace("{port: 0", "{auth: none, port: 0"))
    try:
        exchanges = send(tiny.tested, gateway.base_url, "none", lambda *_: None, seed=1, connections=4)
        assert all(exchange.text is not None for exchange in exchanges)
    finally:
        gateway.stop()
    words = " ".join(e.query.text for e in tiny.tested)
    (root / "words").write_text(words)


def settings_in(root: Path) -> Settings:
    return load(root / "demo" / "routenlp.yaml", {}, default="")


def store_in(root: Path) -> Path:
    return root / "demo" / "routenlp.db"


def keep_gate_rows(root: Path, task: str, n: int) -> None:
    """Of the system in the folder that the settings name."""
    folder = Path(str(settings_in(root).policy.folder)) / "rows"
    rows = rows_book.read(folder)
    shutil.rmtree(folder)
    of_task = rows[task]
    rows_book.write(folder, {**rows, task: replace(of_task, gate=GateFold(task, of_task.gate.examples[:n]))})


@dataclass(frozen=True)
class WordCounts(tiny_system.Letters):
    """Hashed words, three times over: as long as rich vectors are, and unlike for unlike texts."""

    name: str = "words/1"
    dim: int = 3 * 128

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), 128), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().split():
                row[crc32(word.encode()) % 128] += 1.0
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return np.tile(rows, 3)


def encoders(root: Path) -> Encoders:
    encoder = WordCounts(words=(root / "words").read_text())
    return Encoders(encoder, replace(encoder))


def copy(root: Path, target: Path) -> Path:
    """The same world at another place; its settings name the new one."""
    shutil.copytree(root, target)
    file = target / "demo" / "routenlp.yaml"
    file.write_text(file.read_text().replace(str(root), str(target)))
    return target


class Stages:
    """Remembers what began; kills this process where it is told to."""

    def __init__(self, kill_at: str | None = None) -> None:
        self.begun: list[str] = []
        self._kill_at = kill_at

    @contextmanager
    def __call__(self, title: str) -> Iterator:
        self.begun.append(title.split(":")[0])
        if self.begun[-1] == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        yield lambda done, total: None


def turn(root: Path, order: Order = LENIENT, stages: Stages | None = None, ask=None) -> Ended:
    settings = settings_in(root)
    top = settings.portfolio[-1]
    recording = read_recording(Path(str(top.recording)))

    def teacher(query: Query) -> str | None:
        said = recording.find(query)
        return None if said is None else said.text

    return run_turn(
        settings,
        store_in(root),
        order,
        encoders(root),
        now=lambda: NOW_S,
        ask=ask or teacher,
        stages=stages or Stages(),
    )


if __name__ == "__main__":
    turn(Path(sys.argv[1]), stages=Stages(sys.argv[2] if len(sys.argv) > 2 else None))
