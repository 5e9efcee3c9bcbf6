"""`import routenlp` is cheap: no model runtime, no solver, no terminal library comes with it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = {
    "aiohttp",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "pyarrow",
    "rich",
    "safetensors",
    "scipy",
    "sklearn",
    "tokenizers",
    "torch",
    "typer",
    "yaml",
}
CORE = [
    "cascade",
    "conformal",
    "contracts",
    "errors",
    "grading",
    "portfolio",
    "router",
    "scoring",
    "types",
]


def loaded_by(modules: str) -> set[str]:
    """Top-level names of everything that a fresh interpreter holds after `import modules`."""
    code = f"import sys, {modules}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_the_package_imports_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    started_s = time.perf_counter()
    loaded = loaded_by("routenlp")
    with capsys.disabled():
        sys.stdout.write(f"\n  a fresh interpreter with routenlp: {time.perf_counter() - started_s:.2f} s\n")
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("part", CORE)
def test_no_part_of_the_core_imports_anything_heavy(part: str) -> None:
    assert loaded_by(f"routenlp.{part}") & HEAVY == set()


def test_the_command_starts_without_models_or_solvers() -> None:
    assert loaded_by("routenlp.cli.app") & (HEAVY - {"typer", "rich", "yaml"}) == set()


@pytest.mark.parametrize(
    ("program", "without"),
    [("routenlp.gateway.server", {"scipy", "sklearn", "torch"}), ("routenlp.cli.worker", {"sklearn", "torch"})],
)
def test_what_serves_starts_without_what_fits(program: str, without: set[str]) -> None:
    assert loaded_by(program) & without == set()
