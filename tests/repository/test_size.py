"""A file is one idea, a function one step of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

FILE_LINES = 400
FUNCTION_LINES = 50
MEDIAN_FILE_LINES = 150
MEDIAN_FUNCTION_LINES = 15


def lines_of(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def functions_of(file: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file, nested ones and methods included, with its length from `def` to its last line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield f"{file.name}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_no_file_is_too_long(python_files: list[Path]) -> None:
    assert {file.name: lines_of(file) for file in python_files if lines_of(file) > FILE_LINES} == {}


def test_no_function_is_too_long(python_files: list[Path]) -> None:
    every = (function for file in python_files for function in functions_of(file))
    assert {name: lines for name, lines in every if lines > FUNCTION_LINES} == {}


def test_files_are_mostly_short(sources: list[Path]) -> None:
    assert median(lines for file in sources if (lines := lines_of(file))) < MEDIAN_FILE_LINES


def test_functions_are_mostly_short(sources: list[Path]) -> None:
    assert median(lines for file in sources for _, lines in functions_of(file)) < MEDIAN_FUNCTION_LINES
