"""The demo's folder: settings that come back as they were, nothing of others removed, one demo at a time."""

from __future__ import annotations

import pytest

from routenlp.backends.recording import RecordedAnswer, read_recording
from routenlp.bench.demo.folder import DemoFolder, as_yaml
from routenlp.cli import init
from routenlp.cli.six_tasks import built_in_settings
from routenlp.errors import SettingsError
from routenlp.settings import load
from routenlp.types import Example, Query

TESTED = [Example(Query("q1", "fin_ner", "Paris", {"schema": "x"}), "[]", "g")]


@pytest.mark.parametrize("text", [init.template(), None])
def test_settings_come_back_from_the_file_that_says_only_what_is_not_default(text):
    settings = load(None, {}, default=text) if text else built_in_settings(None, {})
    written = as_yaml(settings)
    assert load(None, {}, default=written) == settings
    assert "retries" not in written


def test_what_is_written_serves_the_tested_tasks_without_limits_of_time(tmp_path):
    folder = DemoFolder(tmp_path)
    folder.write(built_in_settings(None, {}), TESTED)
    settings = load(folder.settings, {}, default="")
    assert folder.complete
    assert {name: task.sla_ms for name, task in settings.tasks.items()} == {"fin_ner": None}
    assert settings.tasks["fin_ner"].serve_when == "empirical"
    assert read_recording(folder.recording).find(TESTED[0].query) == RecordedAnswer("[]")
    assert settings.portfolio[-1].recording == str(folder.recording)


def test_clearing_removes_the_demos_own_and_refuses_what_is_not(tmp_path):
    folder = DemoFolder(tmp_path)
    folder.write(built_in_settings(None, {}), TESTED)
    folder.system.mkdir()
    (tmp_path / "routenlp.db-wal").write_text("x")
    folder.clear()
    assert list(tmp_path.iterdir()) == []
    assert not folder.complete
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SettingsError, match=r"thesis\.txt"):
        folder.clear()
    assert (tmp_path / "thesis.txt").exists()


def test_settings_of_somebodys_own_are_not_cleared(tmp_path):
    (tmp_path / "routenlp.yaml").write_text(init.template())
    with pytest.raises(SettingsError, match=r"routenlp\.yaml"):
        DemoFolder(tmp_path).clear()


def test_two_demos_do_not_share_a_folder(tmp_path):
    folder = DemoFolder(tmp_path / "new")
    with folder.held(), pytest.raises(SettingsError, match="another demo"), folder.held():
        pass
    with folder.held():
        pass
