"""Nothing that is read may run code: no pickle, nor anything built on it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

RUNS_CODE = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
READS_PICKLE = {"read_pickle", "to_pickle"}


def offences(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.split(".")[0] in RUNS_CODE)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in RUNS_CODE:
                yield module
            case ast.Attribute(attr=attr) if attr in READS_PICKLE:
                yield attr
            case ast.keyword(arg="allow_pickle", value=value):
                if not (isinstance(value, ast.Constant) and value.value is False):
                    yield "allow_pickle"


def test_no_source_file_pickles(sources: list[Path]) -> None:
    found = {file.name: list(offences(file.read_text(encoding="utf-8"))) for file in sources}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from joblib import dump",
        "def f():\n    import marshal as m",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trusted)",
        "frame.to_pickle(path)",
    ],
)
def test_the_rule_sees_what_it_forbids(code: str) -> None:
    assert list(offences(code)) != []


@pytest.mark.parametrize("code", ["import json", "np.load(path, allow_pickle=False)", "from routenlp import store"])
def test_the_rule_lets_the_rest_pass(code: str) -> None:
    assert list(offences(code)) == []
