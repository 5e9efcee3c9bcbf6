"""The command `routenlp bench fresh-domain`, as people run it, and the page that it wrote."""

from __future__ import annotations

import json

import pytest
from tests.bench.conftest import REPOSITORY, routenlp

from routenlp.bench.fresh.course import ARMS
from routenlp.bench.six_tasks.markdown import between_markers
from routenlp.bench.six_tasks.table import Table


@pytest.mark.slow
def test_a_run_says_by_arm_whether_the_loop_is_refuted(minilm, tmp_path):
    page, target = tmp_path / "page.md", tmp_path / "fresh.json"
    page.write_text("<!-- fresh-domain: begin -->\n<!-- fresh-domain: end -->\n")
    names = ("--markdown", str(page), "--json", str(target))
    done = routenlp("bench", "fresh-domain", "--generated", "--task", "generated_intent", "--quick", *names)
    report = json.loads(target.read_text())
    assert done.code == (0 if all(c["holds"] for c in report["checks"]) else 1), done.err
    assert [row["arm"] for row in report["rows"]] == list(ARMS)
    for row in report["rows"]:
        assert row["verdict"].startswith(("refuted", "not refuted"))
        assert row["verdict"] in page.read_text()


def test_the_page_shows_the_tables_of_the_run_beside_it():
    report = json.loads((REPOSITORY / "docs" / "fresh-domain.json").read_text())
    page = between_markers((REPOSITORY / "docs" / "fresh-domain.md").read_text(), "fresh-domain")
    for table in report["tables"]:
        made = Table(table["title"], tuple(table["heads"]), tuple(map(tuple, table["rows"])))
        assert made.markdown() in page, table["title"]
    assert all(f"- {note}" in page for note in report["notes"])
    assert (report["quick"], report["generated"]) == (False, False)
