"""Whole runs of the bench, each made once a session through the command that people use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """What a command left."""

    code: int
    out: str
    err: str


def routenlp(*arguments: str, **environment: str) -> Finished:
    """Run the command line in a fresh process."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("routenlp")), *arguments],
        cwd=REPOSITORY,
        env={"ROUTENLP_CACHE_DIR": str(REPOSITORY / ".cache" / "routenlp"), **os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def generated_run(minilm: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, dict[str, Any]]:
    """The demo on generated queries: what it printed, and its JSON."""
    folder = tmp_path_factory.mktemp("generated")
    target = folder / "demo.json"
    done = routenlp("demo", "--generated", "--json", str(target), "--folder", str(folder / "demo"))
    assert done.code == 0, done.err
    return done, json.loads(target.read_text())


@pytest.fixture(scope="session")
def demo_run(
    minilm: Any, six_tasks_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Finished, dict[str, Any]]:
    """What `make run` does, on the sample of the real rows: what it printed, and its JSON."""
    folder = tmp_path_factory.mktemp("demo")
    target = folder / "demo.json"
    found = str(six_tasks_dir.parent)
    done = routenlp("demo", "--json", str(target), "--folder", str(folder / "demo"), ROUTENLP_DATA=found)
    assert done.code == 0, done.err
    return done, json.loads(target.read_text())
