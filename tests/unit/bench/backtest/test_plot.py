from __future__ import annotations

import pytest
from tests.unit.bench.backtest.made_backtest import result

from routenlp.bench.backtest.plot import draw
from routenlp.errors import SettingsError
from routenlp.replay.backtest.certify import Target


def test_a_png_and_an_svg_are_drawn(tmp_path):
    png, svg = draw(result(), tmp_path / "new")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert "always-gpt" not in svg.name
    assert svg.read_text().lstrip().startswith("<?xml")


def test_a_rule_without_a_quality_ratio_has_no_target_line(tmp_path):
    assert all(path.stat().st_size > 1_000 for path in draw(result(target=Target("joint")), tmp_path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be written"):
        draw(result(), tmp_path / "file" / "folder")
