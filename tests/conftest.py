"""Where tests find real data and real weights.

Both are absent on a bare machine: the tests that need them skip with a reason, unless ROUTENLP_REQUIRE_DATA=1, under
which absence is a failure (a continuous-integration run that silently skips proves nothing).
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from routenlp.backends import weights
from routenlp.backends.encoders.cache import CachedTokenEncoder
from routenlp.backends.encoders.minilm import MiniLM
from routenlp.backends.local.weights import GGUF
from routenlp.errors import MissingData
from routenlp.training.minilm_graph import GRAPH_VERSION, build_int8

settings.register_profile("patient", deadline=None)  # a busy machine is late for no fault of ours
settings.load_profile("patient")
REPOSITORY = Path(__file__).resolve().parent.parent


def absent(reason: str) -> NoReturn:
    if os.environ.get("ROUTENLP_REQUIRE_DATA") == "1":
        pytest.fail(f"{reason} (ROUTENLP_REQUIRE_DATA=1 makes this a failure)")
    pytest.skip(reason)


def cache_dir() -> Path:
    """Weights, encodings and downloads."""
    return Path(os.environ.get("ROUTENLP_CACHE_DIR") or REPOSITORY / ".cache" / "routenlp")


@pytest.fixture(scope="session")
def six_tasks_dir() -> Path:
    """The folder with the six `*.jsonl.gz` files."""
    root = Path(os.environ.get("ROUTENLP_DATA") or REPOSITORY.parent / "shared" / "data")
    folder = root / "six-tasks"
    if not folder.is_dir():
        absent(f"no six-task data at {folder}: set ROUTENLP_DATA to the folder that holds six-tasks/")
    return folder


@pytest.fixture(scope="session")
def outcomes_dir() -> Path:
    """The folder with the recorded outcomes: six parquet files and prices.yaml."""
    root = Path(os.environ.get("ROUTENLP_DATA") or REPOSITORY.parent / "shared" / "data")
    folder = root / "outcomes"
    if not folder.is_dir():
        absent(f"no recorded outcomes at {folder}: set ROUTENLP_DATA to the folder that holds outcomes/")
    return folder


@pytest.fixture(scope="session")
def minilm() -> MiniLM:
    """The MiniLM encoder with its real weights, from the cache that set-up filled."""
    cache = cache_dir()
    try:
        folder = weights.encoder_folder(cache, sources=(), build=build_int8, version=GRAPH_VERSION)
    except MissingData as exc:
        absent(f"no MiniLM weights in {cache}: {exc}")
    return MiniLM.load(folder)


@pytest.fixture(scope="session")
def remembered_minilm(minilm: MiniLM) -> CachedTokenEncoder:
    """The same, with the memory on disk that the demo fills: for a test that reads a whole vocabulary."""
    return CachedTokenEncoder(minilm, cache_dir() / "encodings", max_bytes=4 << 30)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The GGUF file of a real language model, from the cache that set-up filled."""
    if importlib.util.find_spec("xllamacpp") is None:
        absent("no xllamacpp: install the extra llm")
    path = cache_dir() / "gguf" / GGUF
    if not path.is_file():
        absent(f"no weights at {path}: `routenlp data get smollm2` fetches them")
    return path
