"""The command `routenlp bench loop`, as people run it, and the page that it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bench.conftest import REPOSITORY, Finished, routenlp

from routenlp.bench.loop.arms import ARMS
from routenlp.bench.six_tasks.markdown import between_markers
from routenlp.bench.six_tasks.table import Table


def run(folder: Path, kept: Path) -> tuple[Finished, dict[str, Any]]:
    page, target, plot = folder / "page.md", folder / "loop.json", folder / "loop.png"
    page.write_text("<!-- loop: begin -->\n<!-- loop: end -->\n")
    names = ("--markdown", str(page), "--json", str(target), "--plot", str(plot))
    done = routenlp(
        "bench", "loop", "--generated", "--task", "generated_intent", "--seeds", "1", "--keep", str(kept), *names
    )
    assert done.code in (0, 1), done.err
    return done, json.loads(target.read_text())


@pytest.mark.slow
def test_a_run_writes_page_picture_and_figures_and_a_second_one_goes_on_from_what_is_kept(minilm, tmp_path):
    kept = tmp_path / "kept"
    first, second = (tmp_path / name for name in ("first", "second"))
    for folder in (first, second):
        folder.mkdir()
    done, report = run(first, kept)
    assert (first / "loop.png").read_bytes().startswith(b"\x89PNG")
    assert {row["place"]["arm"] for row in report["rows"]} == {"none", "all rows", *ARMS}
    [unseen] = [c for c in report["checks"] if str(c["name"]).startswith("held-out")]
    assert unseen["holds"]
    assert done.code == (0 if all(c["holds"] for c in report["checks"]) else 1)
    assert report["tables"][0]["title"] in (first / "page.md").read_text()
    before = {path.name: path.stat().st_mtime_ns for path in kept.iterdir()}
    _, again = run(second, kept)
    assert again["tables"] == report["tables"]
    assert {path.name: path.stat().st_mtime_ns for path in kept.iterdir()} == before


def test_an_unknown_task_is_refused_by_name():
    done = routenlp("bench", "loop", "--task", "cooking")
    assert done.code == 2
    assert "cooking" in done.err


def test_the_page_shows_the_tables_of_the_run_beside_it():
    report = json.loads((REPOSITORY / "docs" / "loop.json").read_text())
    page = between_markers((REPOSITORY / "docs" / "loop.md").read_text(), "loop")
    for table in report["tables"]:
        made = Table(table["title"], tuple(table["heads"]), tuple(map(tuple, table["rows"])))
        assert made.markdown() in page, table["title"]
    assert all(f"- {note}" in page for note in report["notes"])
    assert (report["quick"], report["generated"]) == (False, False)
