"""Processes under measurement: started, asked for their address, weighed, ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routenlp.errors import DataError

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Served:
    """A process that listens at `url`."""

    name: str
    process: subprocess.Popen[str]
    url: str

    def cpu_s(self) -> float:
        """Processor time of all its threads so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss_mb(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6

    def stop(self) -> None:
        """Ends it, by force if need be."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        if self.process.stdout is not None:
            self.process.stdout.close()


START_S = 120.0
"""Of another gateway, to its first answer: LiteLLM reads for some ten seconds on an idle machine."""


def start_other(
    name: str,
    command: Sequence[str],
    url: str,
    environ: Mapping[str, str],
    answers: Callable[[], bool],
    *,
    folder: Path,
) -> Served:
    """Any program that will listen at `url`, once `answers` says so; raises `DataError` where it ends or never does."""
    log = folder / f"{name}.log"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ROUTENLP_", "PYTHON"))}
    with log.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(  # noqa: S603  (what the caller of the bench named)
            list(command), cwd=folder, env=kept | dict(environ), stdout=said, stderr=said, text=True
        )
    served, begun_s = Served(name, process, url), time.monotonic()
    while process.poll() is None and time.monotonic() - begun_s < START_S:
        if answers():
            return served
        time.sleep(0.2)
    served.stop()
    raise DataError(name, f"did not start: {log.read_text(encoding='utf-8')[-400:]}", "See the message.")


def start(name: str, arguments: Sequence[str], *, folder: Path) -> Served:
    """This Python with `arguments`, once it has said its address; raises `DataError` where it ends before."""
    log = folder / f"{name}.log"
    env = {key: value for key, value in os.environ.items() if not key.startswith("ROUTENLP_")}
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(  # noqa: S603  (our own modules)
            [sys.executable, *arguments], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    line = process.stdout.readline() if process.stdout is not None else ""
    found = re.search(r"http://[\d.]+:\d+", line)
    if found is None:
        process.kill()
        process.wait(5)
        raise DataError(name, f"did not start: {log.read_text(encoding='utf-8')[-400:]}", "See the message.")
    return Served(name, process, found.group())
