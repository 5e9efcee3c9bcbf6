"""Starts a local model's server, keeps it up, and ends it: one child process, watched by one thread.

A child that dies, or whose health check fails three times running, is ended and started again on the same port, after
0.5, 1, 2 ... 30 s. Until it is up again its tier fails fast, and queries go to the next tier.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import secrets
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from routenlp.errors import BackendError, CorruptData, MissingData, SettingsError

MAGIC = b"GGUF"
HEALTH_EVERY_S = 5.0
HEALTH_WITHIN_S = 5.0
UNHEALTHY_AFTER = 3
FIRST_REST_S, LONGEST_REST_S = 0.5, 30.0
_LOG = logging.getLogger("routenlp.local")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """What is served, and with how much."""

    name: str
    """As the server calls it."""
    weights: Path
    """A GGUF file."""
    context: int = 4_096
    """Tokens of one query with its answer."""
    slots: int = 2
    """Queries that are answered at once."""
    threads: int = 2
    most_tokens: int = 1_024
    """Of an answer, where the client sets no bound: a small model may repeat itself without end."""
    seed: int = 0
    port: int | None = None
    """None: any that is free."""
    start_within_s: float = 120.0


class LocalServer:
    """A running server. Ends when `close` is called, when nobody holds it any more, or when this process ends."""

    def __init__(self, model: LocalModel) -> None:
        """Waits until it is up. Raises `MissingData` without weights or the extra `llm`, `CorruptData` for a file that
        is no whole GGUF, `SettingsError` for a port in use, `BackendError` where it does not come up in time.
        """
        _check_weights(model.weights)
        if importlib.util.find_spec("xllamacpp") is None:
            raise MissingData("backend local", "needs xllamacpp", "Install the extra: pip install 'routenlp[llm]'")
        self.model = model
        self.key = secrets.token_urlsafe(32)
        self._watched = _Watched(model, self.key, _free_port(model.port))
        self._watched.begin()
        thread = threading.Thread(target=self._watched.watch, name=f"local-{model.name}", daemon=True)
        thread.start()
        self.close = weakref.finalize(self, self._watched.end)
        """Ends the server; once is enough."""

    @property
    def url(self) -> str:
        """Its API, the same after a restart."""
        return f"http://127.0.0.1:{self._watched.port}/v1"

    @property
    def up(self) -> bool:
        """Whether it answers now."""
        return healthy(self._watched.port, HEALTH_WITHIN_S)

    @property
    def restarts(self) -> int:
        """How often it had to be started again."""
        return self._watched.restarts

    @property
    def process_id(self) -> int:
        """Of the child that serves now, or served last."""
        return self._watched.process.pid


class _Watched:
    """The child and what is known of it. Holds nothing of `LocalServer`, so that one can be let go."""

    process: subprocess.Popen[str]

    def __init__(self, model: LocalModel, key: str, port: int) -> None:
        self._model = model
        self._key = key
        self.port = port
        self.restarts = 0
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """One start; raises where it fails."""
        asked = {
            "model": self._model.name,
            "weights": str(self._model.weights),
            "port": self.port,
            "key": self._key,
            "context": self._model.context,
            "slots": self._model.slots,
            "threads": self._model.threads,
            "most_tokens": self._model.most_tokens,
            "seed": self._model.seed,
        }
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "routenlp.backends.local.child"]
        with self._lock:
            if self._ended.is_set():
                return
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # noqa: S603
        last_words: deque[str] = deque(maxlen=20)
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        threading.Thread(target=_keep, args=(self.process.stderr, last_words), daemon=True).start()
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        said = self._first_line()
        if "address" not in said:
            self._stop()
            raise self._failure(said.get("error", ""), last_words)

    def watch(self) -> None:
        """Until the end: restarts what died or hangs."""
        unhealthy, rest_s = 0, FIRST_REST_S
        while not self._ended.wait(0.1 if self.process.poll() is not None else HEALTH_EVERY_S / UNHEALTHY_AFTER):
            if self.process.poll() is None:
                unhealthy = 0 if healthy(self.port, HEALTH_WITHIN_S) else unhealthy + 1
                if unhealthy < UNHEALTHY_AFTER:
                    rest_s = FIRST_REST_S if unhealthy == 0 else rest_s
                    continue
            unhealthy = 0
            _LOG.warning("the local model %s ended or hangs: it is started again", self._model.name)
            self._stop()
            if self._ended.wait(rest_s):
                return
            rest_s = min(2.0 * rest_s, LONGEST_REST_S)
            self._again()

    def end(self) -> None:
        """For good."""
        self._ended.set()
        with self._lock:
            self._stop()

    def _again(self) -> None:
        try:
            self.begin()
            self.restarts += 1
        except (BackendError, CorruptData, MissingData, SettingsError, OSError) as exc:
            _LOG.error("the local model %s could not be started again: %s", self._model.name, exc)

    def _first_line(self) -> dict[str, str]:
        """What the child says first; nothing where it says nothing in time."""
        found: list[str] = []
        assert self.process.stdout is not None
        reader = threading.Thread(target=lambda out: found.append(out.readline()), args=(self.process.stdout,))
        reader.daemon = True
        reader.start()
        reader.join(self._model.start_within_s)
        try:
            said = json.loads(found[0]) if found else {}
        except ValueError:
            said = {"error": found[0].strip()}
        return said if isinstance(said, dict) else {}

    def _failure(self, error: str, last_words: deque[str]) -> Exception:
        where = str(self._model.weights)
        told = " ".join([error, *last_words]).strip()
        if "bind" in told or "address" in told.lower():
            return SettingsError("port", f"{self.port} cannot be used ({error})", "Name another, or none for any.")
        if "load" in told or "gguf" in told.lower() or "tensor" in told:
            return CorruptData(where, f"cannot be loaded ({error or told[-200:]})", "Is it whole, and a chat model?")
        problem = f"did not start within {self._model.start_within_s:g} s ({told[-200:] or 'it said nothing'})"
        return BackendError(f"local model {self._model.name}", problem, "Give it more time, or a smaller context.")

    def _stop(self) -> None:
        process = getattr(self, "process", None)
        if process is None:
            return
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)


def _close(pipe: IO[str]) -> None:
    try:
        pipe.close()
    except OSError:  # what was still to be written has nobody to read it
        return


def _keep(pipe: IO[str], last_words: deque[str]) -> None:
    with pipe:
        for line in pipe:
            last_words.append(line.strip())


def _check_weights(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except OSError as exc:
        raise MissingData(
            str(path), f"cannot be read ({exc.strerror})", "Name a GGUF file, or write packaged."
        ) from exc
    if head != MAGIC:
        raise CorruptData(str(path), "is no GGUF file", "Name a GGUF file, or write packaged.")


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as exc:
            raise SettingsError("port", f"{wanted} is in use", "Name another, or none for any.") from exc
        return int(probe.getsockname()[1])


def healthy(port: int, within_s: float) -> bool:
    """Whether the server there says that it is well; it asks the model nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=within_s) as reply:
            return bool(reply.status == 200)
    except (OSError, urllib.error.URLError):
        return False
