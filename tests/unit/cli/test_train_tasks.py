"""`routenlp train-tasks`: from files, with exit codes that say what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.replay.test_task_training import made
from typer.testing import CliRunner, Result

from routenlp.cli.app import app
from routenlp.errors import DataError, SettingsError
from routenlp.replay import stored_tasks


def write(path: Path, tasks=None) -> Path:
    rows = [{"text": t.query.text, "task": tasks[i % len(tasks)] if tasks else t.query.task, "group": t.group}
            for i, t in enumerate(made(900))]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train-tasks", *arguments])


def test_from_a_file_to_a_folder_that_serves(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    done = run(str(write(tmp_path / "a.jsonl")), "--out", str(tmp_path / "tasks"), "--json", str(target))
    assert done.exit_code == 0, done.output
    assert "A task is assigned from a confidence of" in done.output
    assert json.loads(target.read_text())["status"] == "certified"
    assert stored_tasks.load(tmp_path / "tasks").classifier.tasks == ("code", "law", "mail")


def test_where_nothing_can_be_told_apart_the_answer_is_no(tmp_path: Path) -> None:
    done = run(str(write(tmp_path / "a.jsonl", ["heads", "tails"])), "--out", str(tmp_path / "tasks"))
    assert done.exit_code == 1
    assert "it assigns no task, and narrows walls only" in done.output


def test_an_artefact_is_never_overwritten(tmp_path: Path) -> None:
    done = run(str(write(tmp_path / "a.jsonl")), "--out", str(tmp_path))
    assert isinstance(done.exception, SettingsError)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file_is_no_data(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    assert isinstance(run(str(path), "--out", str(tmp_path / "tasks")).exception, DataError)
