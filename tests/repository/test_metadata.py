"""What an installer is told."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import routenlp


@pytest.fixture
def pyproject(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in requirements}


def test_the_core_installs_neither_torch_nor_a_solver(pyproject: dict[str, Any]) -> None:
    core = names(pyproject["project"]["dependencies"])
    assert core & {"torch", "scipy", "scikit-learn", "onnx", "onnxruntime", "tokenizers", "transformers"} == set()


def test_every_dependency_has_its_reason(repository: Path, pyproject: dict[str, Any]) -> None:
    reasons = (repository / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8").lower()
    extras = pyproject["project"]["optional-dependencies"].values()
    wanted = names(pyproject["project"]["dependencies"]).union(*map(names, extras)) - {"routenlp"}
    assert {name for name in wanted if f"| {name} |" not in reasons} == set()


def test_python_version_and_licence(repository: Path, pyproject: dict[str, Any]) -> None:
    assert pyproject["project"]["requires-python"] == ">=3.11"
    assert pyproject["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (repository / "LICENSE").read_text(encoding="utf-8")


def test_the_version_is_said_once(pyproject: dict[str, Any]) -> None:
    assert routenlp.__version__ == pyproject["project"]["version"]
