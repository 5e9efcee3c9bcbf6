"""The command `routenlp bench pilot`, as people run it, and the page that it wrote."""

from __future__ import annotations

import json

import pytest
from tests.bench.conftest import REPOSITORY, routenlp

from routenlp.bench.six_tasks.markdown import between_markers
from routenlp.bench.six_tasks.table import Table


@pytest.mark.slow
def test_two_days_of_generated_traffic_go_through_machine_store_worker_and_gateway(minilm, tmp_path):
    page, target, plot = tmp_path / "page.md", tmp_path / "pilot.json", tmp_path / "pilot.png"
    page.write_text("<!-- pilot: begin -->\n<!-- pilot: end -->\n")
    names = ("--markdown", str(page), "--json", str(target), "--plot", str(plot))
    done = routenlp("bench", "pilot", "--generated", "--quick", "--days", "2", *names)
    assert done.code in (0, 1), done.err
    report = json.loads(target.read_text())
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert report["tables"][0]["title"] in page.read_text()
    assert report["by_hand"] == []
    assert report["bill"]["top"] > 0.0
    assert report["http"]["errors"] == 0
    assert report["http"]["differing"] == 0
    assert report["http"]["audits"] == report["http"]["graded"] > 0
    assert done.code == (0 if all(check["holds"] for check in report["checks"]) else 1)


def test_without_data_where_the_environment_says_there_is_some_the_bench_says_so(tmp_path):
    done = routenlp("bench", "pilot", "--quick", ROUTENLP_DATA=str(tmp_path))
    assert done.code == 2
    assert "ROUTENLP_DATA" in done.err


def test_the_page_shows_what_the_json_beside_it_says():
    report = json.loads((REPOSITORY / "docs" / "pilot.json").read_text())
    page = between_markers((REPOSITORY / "docs" / "pilot.md").read_text(), "pilot")
    for table in report["tables"]:
        shown = Table(table["title"], tuple(table["heads"]), tuple(map(tuple, table["rows"])))
        assert shown.markdown() in page
