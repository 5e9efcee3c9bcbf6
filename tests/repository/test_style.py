"""Formatting, lint and types, as `make check` runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(repository: Path, *arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", *arguments], cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_code_is_formatted(repository: Path) -> None:
    run(repository, "ruff", "format", "--check", "src", "tests")


def test_lint_is_clean(repository: Path) -> None:
    run(repository, "ruff", "check", "src", "tests")


@pytest.mark.slow
def test_types_are_strict(repository: Path) -> None:
    run(repository, "mypy")
