"""The ten rows shown in docs/outcomes.md are a recording that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from routenlp.replay.outcomes.reading import read_outcomes

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "outcomes.md"


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_is_read_as_it_stands(tmp_path):
    (tmp_path / "log.csv").write_text(block("csv"), encoding="utf-8")
    table = read_outcomes(tmp_path / "log.csv")
    assert (table.models, table.n, table.task_names) == (("small", "large"), 5, ("drafts", "intent"))
    assert (table.cost_kind, table.dropped) == ("recorded", ())
    assert table.absent_confidence == {"small": 2, "large": 2}


def test_the_prices_shown_price_it(tmp_path):
    (tmp_path / "log.csv").write_text(re.sub(r",[\d.]+(,\d+)$", r",\1", block("csv"), flags=re.MULTILINE))
    (tmp_path / "prices.yaml").write_text(block("yaml"))
    table = read_outcomes(tmp_path / "log.csv", prices=tmp_path / "prices.yaml")
    assert table.cost_kind == "given"
    assert table.cost_usd[table.ids.index("17")] == pytest.approx([0.00001, (41 * 2.5 + 5 * 10) / 1e6])
