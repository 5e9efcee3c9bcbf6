"""The official JavaScript client works unchanged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import absent

OPENAI = "openai@6.49.0"
SCRIPT = Path(__file__).with_name("javascript_client.mjs")


@pytest.fixture(scope="module")
def with_openai() -> Path:
    """A folder in which node finds the client; fetched once and kept in the cache."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        absent("no node and npm")
    cache = Path(os.environ.get("ROUTENLP_CACHE_DIR") or "~/.cache/routenlp").expanduser()
    folder = cache / "npm" / OPENAI
    if not (folder / "node_modules" / "openai").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        fetch = ["npm", "install", OPENAI, "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        if subprocess.run(fetch, capture_output=True, timeout=120).returncode != 0:
            absent(f"npm cannot fetch {OPENAI}")
    return folder


@pytest.mark.slow
def test_the_javascript_client(gateway, stub, with_openai, tmp_path):
    script = with_openai / SCRIPT.name
    shutil.copyfile(SCRIPT, script)
    done = subprocess.run(["node", str(script), gateway.base_url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["whole"], seen["tier"]) == ("hello from top-model", "top")
    assert seen["stream auto"] == "hello there"
    assert seen["stream auto:intent"] == "hello from small-model"
    assert seen["tools auto"] == seen["tools auto:intent"] == ["weather", "time"]
    assert {"auto", "auto:intent", "small"} <= set(seen["models"])
    assert seen["error"] == ["NotFoundError", 404, "model_not_found"]
