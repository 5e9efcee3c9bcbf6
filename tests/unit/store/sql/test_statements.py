"""The store's SQL stays in three files, so that another database needs them and `database` anew, and nothing else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import routenlp

SQL = re.compile(
    r"\b(SELECT\b.+\bFROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE (TABLE|INDEX)|DROP TABLE)\b",
    re.DOTALL,
)
HOLD_SQL = {"store/sql/schema.py", "store/sql/statements.py", "store/sql/report_statements.py"}
OWN_FILE = {"backends/encoders/cache.py"}
"""A cache of one process in a database file of its own, which no other database will ever hold."""


def texts(code: str) -> list[str]:
    """Texts of the code, without docstrings."""
    tree = ast.parse(code)
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in said
    ]


def offends(code: str) -> bool:
    return any(SQL.search(text) for text in texts(code))


def test_sql_is_in_these_files_only() -> None:
    package = Path(routenlp.__file__).parent
    every = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    assert {name for name, code in every.items() if offends(code)} == HOLD_SQL | OWN_FILE


@pytest.mark.parametrize("code", ["x = 'SELECT a FROM b'", "run(f'DELETE FROM {table}')", "x = 'UPDATE t SET a = 1'"])
def test_the_rule_sees_sql(code: str) -> None:
    assert offends(code)


def test_the_rule_lets_words_pass() -> None:
    assert not offends("x = 'Select a file from the list; update it'")
