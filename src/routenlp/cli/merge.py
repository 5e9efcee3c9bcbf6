"""`routenlp distil merge`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from routenlp import wiring
from routenlp.cli.screen import open_console, show_lines
from routenlp.cli.six_tasks import built_in_settings
from routenlp.store.sealed import sha256_of
from routenlp.training.merged_gguf import merged_gguf


def merge(adapter: Path, out: Path, weights: str, settings_file: Path | None, environ: Mapping[str, str]) -> None:
    """Says what the file is, and how it is served."""
    settings = built_in_settings(settings_file, environ)
    base = wiring.gguf(settings, weights, lambda line: print(f"{line} ...", file=sys.stderr))
    merged_gguf(base, adapter, out)
    show_lines(
        open_console(stderr=False),
        [
            f"{out} is {base.name} with {adapter.name} merged in: {out.stat().st_size / 1e6:,.0f} MB in float16, "
            f"SHA-256 {sha256_of(out)[:12]}.",
            f"Give a tier `backend: local` and `weights: {out}` in routenlp.yaml, and prove it anew: certificates for "
            "other weights are void.",
        ],
    )
