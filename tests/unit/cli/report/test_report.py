"""`routenlp report` over a real store: what the calibration, the alarm and the audits left there."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.unit.cli.report.made_store import made_store
from typer.testing import CliRunner

from routenlp.cli.app import app
from routenlp.cli.report.compose import compose
from routenlp.cli.report.gather import gather
from routenlp.cli.report.terminal import show
from routenlp.errors import MissingData, SettingsError
from routenlp.replay.report.figures import figures as computed
from routenlp.store.sql.reported import Period


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_store(tmp_path_factory.mktemp("reported"), days=6, a_day=100, rate=0.5)


def run(settings: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["report", "--settings", str(settings), *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def figures(settings: Path, *words: str) -> Any:
    return json.loads(run(settings, "--json", "-", *words))


@pytest.fixture(scope="module")
def found(settings: Path) -> Any:
    return figures(settings)


@pytest.fixture(scope="module")
def page(settings: Path) -> str:
    return run(settings, "--html", "-")


def test_savings_are_measured_and_the_truth_lies_in_the_interval(found: Any) -> None:
    savings = found["savings"]
    counted = [task for task in savings["tasks"] if task["top"]["estimate"] is not None]
    tops = {"intent": 0.1, "quick": 0.1, "private": 0.01, "default": 0.1}
    truth = sum(task["requests"] * tops[task["task"]] for task in counted)
    assert savings["top"]["low"] <= truth <= savings["top"]["high"]
    # Answers of cheap tiers are a fifth shorter here: what their tokens say is too little.
    assert savings["token_estimate_usd"] < savings["top"]["low"]
    beside = savings["spent"]["audits_usd"] + savings["spent"]["judge_usd"]
    assert beside > 0
    expected = savings["top"]["estimate"] - savings["paid_usd"] - beside
    assert savings["saved_usd"]["estimate"] == pytest.approx(expected)


def test_what_the_client_steered_is_outside(found: Any) -> None:
    outside = {o["why"]: o["requests"] for o in found["savings"]["outside"]}
    assert sorted(outside.values())[-2:] == [15, 15]
    assert sum(s["named"] + s["off"] for s in found["sampling"]) == 30


def test_a_judges_word_is_no_quality(found: Any) -> None:
    private = next(q for q in found["quality"] if q["task"] == "private")
    assert (private["graded"], private["ratio"]["estimate"], private["kept"]) == (0, None, "unknown")
    assert private["judged"] > 0


def test_changes_are_told_in_order_with_their_triggers(found: Any) -> None:
    made = found["changes"]["made"]
    assert [c["trigger"] for c in made] == ["alarm", "the first policy on record, as it served before", "alarm"]
    assert [c["at_s"] for c in made] == sorted(c["at_s"] for c in made)
    assert {c["by"] for c in made} == {"by itself"}
    assert made[-1]["evidence"]["proofs"]
    assert [a["task"] for a in found["changes"]["tried"]] == ["quick"]


def test_people_read_markdown(settings: Path) -> None:
    text = run(settings)
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert heads == [
        "Quality against target",
        "Money",
        "Changes of policies and thresholds",
        "How traffic was sampled and filtered",
        "What is not known",
        "How the figures were made",
    ]
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert "Drawn as of now, and why so much" in text
    assert "No change by hand: the store's whole history has" in text


def test_a_terminal_gets_every_word_uncut(settings: Path) -> None:
    read = gather(settings.parent / "s.db", None, Period(0.0, 4e9), 4e9)
    document = compose(computed(read.records, seed=0), read, 4e9)
    console = Console(width=70, file=io.StringIO(), force_terminal=True, color_system=None)
    show(console, document)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    for words in (document.title, document.facts[0].value, "What is not known"):
        assert words in text


class Reader(HTMLParser):
    """Fails on what is not closed, and keeps what a page would load or run."""

    VOID = frozenset({"meta", "br", "rect", "line", "circle"})

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "onclick", "onload", "srcset")]
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag


def test_the_page_is_whole_and_loads_and_runs_nothing(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert reader.opened == []
    assert reader.loads == []
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert page.count("<caption>") == reader.tags.count("table")
    assert 'lang="en"' in page
    assert "prefers-color-scheme: dark" in page


def test_the_page_and_the_markdown_say_the_same(settings: Path, page: str) -> None:
    def words(text: str) -> set[str]:
        return set(re.findall(r"\$[\d,.]*\d", text))

    axes = words("".join(re.findall(r"<svg.*?</svg>", page)))
    assert words(page) - axes <= words(run(settings)) <= words(page)


def test_one_task_alone(settings: Path, found: Any) -> None:
    alone = figures(settings, "--task", "intent")
    assert [q["task"] for q in alone["quality"]] == ["intent"]
    assert [p["task"] for p in alone["promises"]] == ["intent"]
    assert alone["quality"][0] == next(q for q in found["quality"] if q["task"] == "intent")
    with pytest.raises(MissingData, match="nobody"):
        run(settings, "--task", "nobody")


def test_days_outside_are_not_counted(settings: Path, found: Any) -> None:
    part = figures(settings, "--since", "2026-10-02", "--until", "2026-10-04")
    assert (found["requests"], part["requests"]) == (600, 200)
    assert len(part["timeline"]["spans"]) == 2
    assert [c["trigger"] for c in part["changes"]["made"]] == ["alarm"]
    with pytest.raises(SettingsError, match="--since"):
        run(settings, "--since", "yesterday")
    with pytest.raises(SettingsError, match="not before the end"):
        run(settings, "--since", "2026-10-04", "--until", "2026-10-04")


def test_audits_that_lack_the_last_tier_compare_with_nothing(settings: Path, tmp_path: Path) -> None:
    other = tmp_path / "routenlp.yaml"
    other.write_text(settings.read_text().replace("quick: {", "quick: {allowed_tiers: [small, mid], "))
    found = figures(other)
    quick = next(q for q in found["quality"] if q["task"] == "quick")
    assert (quick["graded"], quick["ratio"]["estimate"]) == (0, None)
    money = next(t for t in found["savings"]["tasks"] if t["task"] == "quick")
    assert money["top"]["estimate"] is None


def test_without_settings_targets_are_unknown(settings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    store = f"sqlite:///{settings.parent}/s.db"
    result = CliRunner().invoke(app, ["report", "--store", store, "--json", "-"])
    alone = json.loads(result.stdout)
    assert alone["promises"] is None
    assert {q["kept"] for q in alone["quality"]} == {"no target known"}
    assert any("no settings were read" in words for words in alone["not_known"])
