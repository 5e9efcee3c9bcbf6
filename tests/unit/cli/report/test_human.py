"""Human evaluation from the command line to the report: "not yet rated" until people have, whatever a judge says."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.report.made_store import made_store
from typer.testing import CliRunner

import routenlp
from routenlp.cli.app import app
from routenlp.errors import SettingsError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = made_store(tmp_path_factory.mktemp("human"), days=3, a_day=150, rate=0.5)
    file.write_text(file.read_text().replace("private: {metric: accuracy", "private: {metric: judge"))
    return file


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    folder = tmp_path / "copy"
    shutil.copytree(made.parent, folder)
    (folder / made.name).write_text(made.read_text().replace(str(made.parent), str(folder)))
    return folder / made.name


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def human(settings: Path) -> Any:
    return json.loads(run("report", "--settings", str(settings), "--json", "-"))["human"]


def compared(settings: Path, rater: str, verdict: str) -> list[Any]:
    """What `rater` was asked, after everything was given `verdict`."""
    file = settings.parent / f"{rater}.jsonl"
    run("compare", "export", str(file), "--rater", rater, "-n", "1000", "--settings", str(settings))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(line | {"verdict": verdict}) + "\n" for line in lines))
    run("compare", "import", str(file), "--settings", str(settings))
    return lines


def test_a_judges_grades_are_no_persons(settings: Path) -> None:
    file = settings.parent / "ann.jsonl"
    run("compare", "export", str(file), "--rater", "ann", "--settings", str(settings))
    with sqlite3.connect(settings.parent / "s.db") as connection:
        judged = "SELECT count(*) FROM grades JOIN audits USING (trace_id) WHERE source = 'judge' AND task = 'private'"
        assert connection.execute(judged).fetchone()[0] > 50
        connection.execute("INSERT INTO feedback VALUES ('f', 'x', 0, NULL, 'preference', '\"y\"')")
    connection.close()
    (private,) = human(settings)
    assert private["task"] == "private"
    assert private["drawn"] > 10
    assert (private["compared"], private["verdicts"], private["as_good"]["estimate"]) == (0, 0, None)
    text = run("report", "--settings", str(settings))
    assert re.search(r"\| private \| not yet rated \| – \| – \| – \| 0 of \d+ drawn pairs \|", text)
    assert "Not yet rated: private. `routenlp compare serve --rater NAME` asks" in text


def test_verdicts_are_stored_by_the_commands_for_people_alone() -> None:
    package = Path(routenlp.__file__).parent
    every = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}

    def naming(word: str) -> set[str]:
        return {name for name, code in every.items() if word in code}

    assert naming("PUT_VERDICT") == {"store/sql/statements.py", "store/sql/pairs.py"}
    assert naming("put_verdicts") == {"store/sql/pairs.py", "worker/pairs.py"}
    assert naming("import_verdicts") == {"worker/pairs.py", "worker/pair_page/app.py", "cli/compare.py"}
    assert naming("PairPage") == {"worker/pair_page/app.py", "cli/compare.py"}


def test_what_people_say_is_reported(settings: Path) -> None:
    asked = compared(settings, "ann", "tie")
    compared(settings, "bob", "tie")
    (private,) = human(settings)
    assert private["compared"] == len(asked)
    assert (private["raters"], private["verdicts"]) == (2, 2 * len(asked))
    assert private["as_good"]["estimate"] == 1.0
    text = run("report", "--settings", str(settings))
    assert "not yet rated" not in text
    assert "| private | 2 (" in text


def test_of_tasks_without_verdicts_the_report_says_how_to_get_them(made: Path) -> None:
    text = run("report", "--settings", str(made))
    assert "| private | not yet rated | – | – | – | none |" in text


@pytest.mark.parametrize("rater", ["", "  ", "mid", "mid-model"])
def test_no_model_is_a_rater(settings: Path, rater: str) -> None:
    with pytest.raises(SettingsError, match="--rater"):
        run("compare", "export", str(settings.parent / "x"), "--rater", rater, "--settings", str(settings))


def test_a_file_is_not_overwritten(settings: Path) -> None:
    with pytest.raises(SettingsError, match="exists already"):
        run("compare", "export", str(settings), "--rater", "ann", "--settings", str(settings))


def test_a_line_with_an_error_is_named(settings: Path) -> None:
    file = settings.parent / "ann.jsonl"
    run("compare", "export", str(file), "--rater", "ann", "--settings", str(settings))
    file.write_text(file.read_text().replace('"verdict": null', '"verdict": "C"', 1))
    with pytest.raises(Exception, match=r"ann\.jsonl, line 1: has the verdict 'C'"):
        run("compare", "import", str(file), "--settings", str(settings))
