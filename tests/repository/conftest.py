"""What the rules are checked on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sources(repository: Path) -> list[Path]:
    """The package's own Python files."""
    return sorted((repository / "src").rglob("*.py"))


@pytest.fixture(scope="session")
def python_files(repository: Path, sources: list[Path]) -> list[Path]:
    """The package's Python files and the tests."""
    return sources + sorted((repository / "tests").rglob("*.py"))


@pytest.fixture(scope="session")
def tracked_files(repository: Path) -> list[Path]:
    """Every file under version control, and those that are about to be."""
    if not (repository / ".git").exists():
        pytest.skip("not a git checkout, so no file is tracked")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=repository, capture_output=True, text=True, check=True).stdout
    files = [repository / name for name in names.split("\0") if name]
    return [file for file in files if file.is_file()]
