"""Pages show what commands wrote, and nothing else."""

from __future__ import annotations

import json
import re

import pytest
from tests.bench.conftest import REPOSITORY

from routenlp.bench.six_tasks.markdown import between_markers
from routenlp.bench.six_tasks.table import Table


@pytest.fixture(scope="module")
def report():
    return json.loads((REPOSITORY / "docs" / "six-tasks.json").read_text())


def test_the_tables_on_the_bench_page_are_those_of_the_run_beside_it(report):
    page = between_markers((REPOSITORY / "docs" / "six-tasks.md").read_text(), "bench")
    for table in report["tables"]:
        made = Table(table["title"], tuple(table["heads"]), tuple(map(tuple, table["rows"])))
        assert made.markdown() in page, table["title"]
    assert all(f"- {note}" in page for note in report["notes"])


def test_the_readme_shows_structured_and_generation_tasks_apart_as_that_run_did(report):
    first = report["tables"][0]
    made = Table(first["title"], tuple(first["heads"]), tuple(map(tuple, first["rows"])))
    assert between_markers((REPOSITORY / "README.md").read_text(), "six-tasks") == made.markdown()
    names = ["structured tasks", "generation tasks, before the turn", "generation tasks"]
    assert [part["name"] for part in report["parts"]] == names


def test_that_run_was_of_all_rows(report):
    assert (report["quick"], report["generated"]) == (False, False)
    tested = {r["task"]: r["n"] for r in report["rows"]}
    assert tested == {
        "cs_intent": 2600,
        "legal_clause": 1466,
        "legal_risk": 1700,
        "fin_ner": 984,
        "fin_summarisation": 495,
        "cs_response": 1700,
    }


@pytest.mark.parametrize("page", ["README.md", "docs/six-tasks.md"])
def test_human_labels_are_called_so_wherever_the_table_shows(page):
    text = (REPOSITORY / page).read_text()
    assert "always human-labels" in text
    assert re.search(r"human labels.*not a model", text, re.DOTALL | re.IGNORECASE)


def test_every_file_that_the_readme_links_to_is_there():
    text = (REPOSITORY / "README.md").read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (REPOSITORY / target).exists(), target
