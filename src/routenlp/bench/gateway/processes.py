"""Processes under measurement: started, asked for their address, weighed, ended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
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
