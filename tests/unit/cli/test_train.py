"""`routenlp train` from the file of outcomes to the policy that the gateway serves."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import MODELS, Columns, changed, recording
from tests.unit.replay.made_preferences import pairs_of

from routenlp import settings as settings_file
from routenlp import wiring
from routenlp.cli import train
from routenlp.cli.train import Options
from routenlp.cli.train_tables import promises_table, words
from routenlp.conformal.verdict import Status
from routenlp.errors import ArtefactError, DataError, MissingData, SettingsError
from routenlp.replay import stored_router
from routenlp.replay.backtest.certify import Target
from routenlp.replay.wanted import Wanted
from routenlp.router.learned import LearnedRouter
from routenlp.router.token_costs import TokenCosts
from routenlp.settings import Settings
from routenlp.types import Query

pytestmark = pytest.mark.slow
PRICES = {"small": (0.05, 0.1), "mid": (0.2, 0.4), "large": (2.0, 8.0)}
TASKS = {"ask": "{eps: 0.05, serve_when: certified}", "tell": "{guarantee: joint, alpha: 0.2, delta: 0.05}"}


def with_tokens(columns: Columns) -> Columns:
    """Tokens in place of costs: larger models write more."""
    rng = np.random.default_rng(0)
    written = [40.0 * (1 + MODELS.index(m)) * float(rng.lognormal(0, 0.2)) for m in columns["model"]]
    read = [20.0 + len(text) / 4.0 for text in columns["query"]]
    return changed(columns, cost_usd=None, input_tokens=read, output_tokens=written)


def write(folder: Path, columns: Columns) -> Path:
    path = folder / "outcomes.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        rows.writerows(zip(*columns.values(), strict=True))
    return path


def settings_text(
    tasks: Mapping[str, str] = TASKS, prices: Mapping[str, tuple[float, float]] = PRICES, more: str = ""
) -> str:
    tiers = "\n".join(
        f"  - {{name: {name}, backend: openai, base_url: 'http://127.0.0.1:9/v1', model: {name}-1, "
        f"price: {{input_usd_per_mtok: {i}, output_usd_per_mtok: {o}}}}}"
        for name, (i, o) in prices.items()
    )
    named = "\n".join(f"  {name}: {task}" for name, task in tasks.items())
    return f"portfolio:\n{tiers}\ntasks:\n{named}\n{more}\n"


def options(**new: Any) -> Options:
    usual = Options(
        tiers=MODELS,
        wanted=Wanted(Target(), Status.EMPIRICAL),
        handled_at=None,
        seed=0,
        costs={},
        prices=None,
        task_column=None,
        split_column=None,
        calibrate_most=None,
        encoder="hashed",
        preferences=None,
        preference_weight=1.0,
        settings=None,
    )
    return replace(usual, **new)


def trained_to(folder: Path, outcomes: Path, **new: Any) -> dict[str, Any]:
    cache = {name: value for name, value in os.environ.items() if name == "ROUTENLP_CACHE_DIR"}
    train.run(outcomes, folder / "router", options(**new), cache, str(folder / "report.json"))
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def load_settings(folder: Path, text: str) -> Settings:
    path = folder / "serving.yaml"
    path.write_text(f"{text}\npolicy: {{folder: '{folder / 'router'}'}}\n")
    return settings_file.load(path, {}, default="")


def statuses(folder: Path, text: str) -> Mapping[str, Status]:
    serving = wiring.serving_policy(load_settings(folder, text))
    assert serving is not None
    return serving.statuses


@pytest.fixture(scope="module")
def with_settings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "routenlp.yaml").write_text(settings_text())
    outcomes = write(folder, with_tokens(recording(3_000)))
    return folder, trained_to(folder, outcomes, tiers=None, settings=folder / "routenlp.yaml")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, trained_to(folder, write(folder, recording(1_200)))


def test_each_task_is_certified_for_what_the_settings_ask_of_it(with_settings: tuple[Path, dict[str, Any]]) -> None:
    ask, tell = (with_settings[1]["tasks"][name] for name in ("ask", "tell"))
    assert (ask["guarantee"], ask["target"], ask["delta"]) == ("quality_ratio", 0.05, 0.1)
    assert (tell["guarantee"], tell["target"], tell["delta"]) == ("joint", 0.2, 0.05)
    assert ask["status"] == tell["status"] == "certified"
    assert ask["test"]["cost_ratio"]["estimate"] < 0.9


def test_the_gateway_gets_each_tasks_own_status(with_settings: tuple[Path, dict[str, Any]]) -> None:
    assert statuses(with_settings[0], settings_text()) == {"ask": Status.CERTIFIED, "tell": Status.CERTIFIED}


def test_another_price_reprices_the_router_and_voids_what_was_proved(
    with_settings: tuple[Path, dict[str, Any]],
) -> None:
    folder = with_settings[0]
    assert with_settings[1]["costs_from_tokens"]
    dearer = {**PRICES, "mid": (1.0, 4.0)}
    text = settings_text(prices=dearer)
    assert set(statuses(folder, text).values()) == {Status.UNCERTIFIED}
    before, after = (cost_of_mid(folder, settings_text(prices=prices)) for prices in (PRICES, dearer))
    assert after == pytest.approx(before * (1.0 * 0.2 + 4.0 * 0.8) / (0.2 * 0.2 + 0.4 * 0.8), rel=0.3)
    assert after > 5 * before


def cost_of_mid(folder: Path, text: str) -> float:
    serving = wiring.serving_policy(load_settings(folder, text))
    assert serving is not None
    assert isinstance(serving.policy.router, LearnedRouter)
    assert isinstance(serving.policy.router.cost, TokenCosts)
    cost = serving.policy.router.route(Query("q", "ask", "weather of tomorrow number 7")).estimates[1].cost_usd
    assert cost is not None
    return cost


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        ("{eps: 0.03}", "a stricter target"),
        ("{eps: 0.05, delta: 0.01}", "a smaller delta"),
        ("{eps: 0.05, guarantee: conditional}", "another rule"),
        ("{eps: 0.05, allowed_tiers: [small, large]}", "a wall around a tier that it was proved with"),
    ],
)
def test_settings_that_ask_for_more_than_was_proved_are_not_served(
    with_settings: tuple[Path, dict[str, Any]], ask: str, why: str
) -> None:
    found = statuses(with_settings[0], settings_text({**TASKS, "ask": ask}))
    assert found == {"ask": Status.UNCERTIFIED, "tell": Status.CERTIFIED}, why


def test_a_laxer_target_is_served(with_settings: tuple[Path, dict[str, Any]]) -> None:
    assert statuses(with_settings[0], settings_text({**TASKS, "ask": "{eps: 0.1}"}))["ask"] is Status.CERTIFIED


def test_another_model_behind_a_tier_voids_what_was_proved(with_settings: tuple[Path, dict[str, Any]]) -> None:
    text = settings_text().replace("model: small-1", "model: small-2")
    assert set(statuses(with_settings[0], text).values()) == {Status.UNCERTIFIED}


def test_other_weights_of_a_local_model_void_what_was_proved(tmp_path: Path) -> None:
    endpoint = "backend: openai, base_url: 'http://127.0.0.1:9/v1', model: small-1"
    weights, lax = tmp_path / "small.gguf", dict.fromkeys(TASKS, "{eps: 0.1, serve_when: empirical}")
    text = settings_text(lax).replace(endpoint, f"backend: local, weights: '{weights}'")
    (tmp_path / "routenlp.yaml").write_text(text)
    outcomes = write(tmp_path, with_tokens(recording(900)))
    with pytest.raises(MissingData, match=r"small\.gguf"):
        trained_to(tmp_path, outcomes, tiers=None, settings=tmp_path / "routenlp.yaml")
    weights.write_bytes(b"GGUF one")
    trained_to(tmp_path, outcomes, tiers=None, settings=tmp_path / "routenlp.yaml")
    assert set(statuses(tmp_path, text).values()) != {Status.UNCERTIFIED}
    weights.write_bytes(b"GGUF another")
    assert set(statuses(tmp_path, text).values()) == {Status.UNCERTIFIED}


def test_the_same_outcomes_are_trained_on_at_other_prices(tmp_path: Path) -> None:
    """Costs that were recorded give way to tokens at the prices in force."""
    columns = with_tokens(recording(900))
    outcomes = write(tmp_path, changed(columns, cost_usd=[5.0] * len(columns["model"])))
    ratios = []
    for name, large in (("dear", (2.0, 8.0)), ("cheap", (0.25, 0.5))):
        folder = tmp_path / name
        folder.mkdir()
        lax = dict.fromkeys(TASKS, "{eps: 0.1, serve_when: empirical}")
        (folder / "routenlp.yaml").write_text(settings_text(lax, prices={**PRICES, "large": large}))
        report = trained_to(folder, outcomes, tiers=None, settings=folder / "routenlp.yaml")
        ratios.append(report["overall"]["cost_ratio"]["estimate"])
        assert set(statuses(folder, (folder / "routenlp.yaml").read_text()).values()) != {Status.UNCERTIFIED}
    assert ratios[0] < 0.7
    assert ratios[1] > ratios[0] + 0.1


def test_one_delta_is_split_over_the_tasks(tmp_path: Path) -> None:
    (tmp_path / "routenlp.yaml").write_text(settings_text(more="family_delta: 0.08"))
    outcomes = write(tmp_path, with_tokens(recording(1_000)))
    report = trained_to(tmp_path, outcomes, tiers=None, settings=tmp_path / "routenlp.yaml")
    assert {task["delta"] for task in report["tasks"].values()} == {0.04}
    proved = {name: Status(task["status"]) for name, task in report["tasks"].items()}
    assert statuses(tmp_path, settings_text(more="family_delta: 0.08")) == proved


def test_without_settings_prices_void_nothing(alone: tuple[Path, dict[str, Any]]) -> None:
    folder, report = alone
    assert not report["costs_from_tokens"]
    proved = {name: Status(task["status"]) for name, task in report["tasks"].items()}
    lax = dict.fromkeys(proved, "{eps: 0.03, serve_when: empirical}")
    found = [
        statuses(folder, settings_text(lax, prices=prices)) for prices in (PRICES, {**PRICES, "large": (9.0, 9.0)})
    ]
    assert found[0] == found[1] == proved


def test_every_task_has_a_row_in_the_table(with_settings: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = with_settings
    table = train.read_outcomes(folder / "outcomes.csv", models=MODELS, costs=dict(zip(MODELS, (1, 2, 9), strict=True)))
    found = train.train(table, train.WantedOfTasks(), tiers=MODELS, calibrate_most=None, seed=0)
    assert [row[0] for row in promises_table(found).rows] == ["ask", "tell"]
    assert any("cannot know" in line for line in words(found, with_settings=False, out=folder))


def test_what_is_left_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that answered few queries goes, by name; of rows that contradict one another none is kept."""
    columns = recording(600)
    twice = {name: [*values, *values[:3]] for name, values in columns.items()}
    twice["quality"][-3:] = [1.0 - quality for quality in columns["quality"][:3]]
    kept = [i for i, (m, q) in enumerate(zip(twice["model"], twice["query_id"], strict=True)) if m != "mid" or q < "q2"]
    outcomes = write(tmp_path, {name: [values[i] for i in kept] for name, values in twice.items()})
    train.run(outcomes, tmp_path / "router", options(tiers=None), {}, None)
    said = " ".join(capsys.readouterr().out.split())
    assert "Left out model mid: with it" in said
    assert "occur more than once, with different values" in said


def test_two_runs_of_one_day_write_the_same_bytes(tmp_path: Path) -> None:
    outcomes = write(tmp_path, recording(600))
    table = train.read_outcomes(outcomes, models=MODELS)
    versions = []
    for hour in (3, 20):
        found = train.train(table, train.WantedOfTasks(), tiers=MODELS, calibrate_most=None, seed=0)
        now = datetime(2026, 1, 2, hour, tzinfo=UTC)
        versions.append(train.store(tmp_path / str(hour), found, None, now))
    assert versions[0] == versions[1]


def test_static_vectors_are_stored_with_the_router(tmp_path: Path, minilm: object) -> None:
    outcomes = write(tmp_path, recording(400))
    trained_to(tmp_path, outcomes, encoder="static")
    stored = stored_router.load(tmp_path / "router")
    assert "static/" in stored.encoder.name
    assert stored.router.route(Query("q", "ask", "card payment abroad")).estimates


def test_a_router_on_the_sentence_encoder_needs_its_weights(tmp_path: Path, minilm: Any) -> None:
    outcomes = write(tmp_path, recording(200))
    trained_to(tmp_path, outcomes, encoder="minilm")
    stored = stored_router.load(tmp_path / "router", lambda: minilm)
    assert "/middle" in stored.encoder.name
    assert stored.router.route(Query("q", "ask", "card payment abroad")).estimates
    with pytest.raises(MissingData, match="weights"):
        stored_router.load(tmp_path / "router")


def test_the_gateway_reads_with_the_sentence_encoder_from_its_cache(tmp_path: Path, minilm: object) -> None:
    trained_to(tmp_path, write(tmp_path, recording(200)), encoder="minilm")
    cache = os.environ.get("ROUTENLP_CACHE_DIR", ".cache/routenlp")
    serving = wiring.serving_policy(load_settings(tmp_path, settings_text(more=f"cache_dir: '{cache}'")))
    assert serving is not None
    assert serving.policy.router.route(Query("q", "ask", "card payment abroad")).estimates


def test_the_gateway_says_where_weights_are_missing(tmp_path: Path, minilm: object) -> None:
    trained_to(tmp_path, write(tmp_path, recording(200)), encoder="minilm")
    empty = tmp_path / "nothing"
    empty.mkdir()
    text = settings_text(more=f"encoder: {{weights: '{empty}'}}\ncache_dir: '{tmp_path / 'cache'}'")
    with pytest.raises(MissingData, match=r"model\.safetensors"):
        wiring.serving_policy(load_settings(tmp_path, text))


@pytest.mark.parametrize(
    ("new", "error", "named"),
    [
        ({"encoder": "bert"}, SettingsError, "--encoder"),
        ({"preference_weight": 0.0}, SettingsError, "--preference-weight"),
        ({"handled_at": 1.5}, SettingsError, "--handled-at"),
        ({"wanted": Wanted(Target(eps=0.0))}, SettingsError, "--eps"),
        ({"settings": Path("no-such.yaml")}, SettingsError, "no-such"),
        ({"preferences": Path("no-such.jsonl")}, MissingData, "no-such"),
        ({"tiers": ["small", "huge"]}, SettingsError, "huge"),
        ({"tiers": ["large"]}, DataError, "large"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, new: dict[str, Any], error: type, named: str) -> None:
    with pytest.raises(error, match=named):
        train.run(write(tmp_path, recording(100)), tmp_path / "router", options(**new), {}, None)


def test_a_folder_is_never_overwritten(alone: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(SettingsError, match="exists already"):
        train.run(alone[0] / "outcomes.csv", alone[0] / "router", options(), {}, None)
    (alone[0] / "copy").mkdir()
    with pytest.raises(ArtefactError):
        stored_router.load(alone[0] / "copy")


def write_preferences(folder: Path, *, with_texts: bool) -> Path:
    path = folder / "preferences.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in pairs_of(recording(600), with_texts=with_texts)))
    return path


def test_preferences_beside_outcomes(tmp_path: Path) -> None:
    outcomes = write(tmp_path, recording(600))
    report = trained_to(tmp_path, outcomes, preferences=write_preferences(tmp_path, with_texts=False))
    assert any("kept for calibration and tests" in note for note in report["notes"])


def test_preferences_alone_are_told_to_prove_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preferences = write_preferences(tmp_path, with_texts=True)
    costs = {"small": 1.0, "mid": 4.0, "large": 20.0}
    given = options(preferences=preferences, costs=costs, wanted=Wanted())
    train.run_on_preferences(tmp_path / "router", given, {}, None)
    assert "nothing can be proved of quality" in " ".join(capsys.readouterr().out.split())
    assert set(statuses(tmp_path, settings_text()).values()) == {Status.UNCERTIFIED}


def test_without_outcomes_preferences_are_needed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Give outcomes"):
        train.run_on_preferences(tmp_path / "router", options(), {}, None)
