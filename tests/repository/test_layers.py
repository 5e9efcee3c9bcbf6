"""Layers point down only; the core stays light; fitting stays in its place."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

CORE = {
    "portfolio",
    "router",
    "scoring",
    "grading",
    "conformal",
    "cascade",
    "drift",
    "loop",
    "types",
    "contracts",
    "errors",
}


def test_import_contracts_are_kept(repository: Path) -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_part_of_the_core_is_held_to_numpy(repository: Path) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    contracts = {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    package = repository / "src" / "routenlp"
    present = {path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    held = {name.removeprefix("routenlp.") for name in contracts["core"]["source_modules"]}
    assert held == CORE & present
