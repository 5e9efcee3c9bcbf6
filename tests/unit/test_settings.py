"""Settings fail loudly: an unknown key, a value out of range, a missing price."""

from __future__ import annotations

import pytest

from routenlp.errors import SettingsError, UnknownPrice
from routenlp.settings import load

GOOD = """
portfolio:
  - {name: small, backend: student, model: ngram, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 1}}
  - {name: top, backend: recorded, price: {input_usd_per_mtok: 8, output_usd_per_mtok: 8}}
tasks:
  intent: {metric: accuracy, student: classifier}
"""


def read(text: str = GOOD, environ: dict[str, str] | None = None):
    return load(None, environ or {}, default=text)


def test_defaults_are_the_papers_and_the_designs():
    task = read().tasks["intent"]
    assert (task.handled_at, task.eps, task.alpha) == (1.0, 0.03, 0.05)


def test_the_environment_overrides_by_section_and_key():
    environ = {
        "ROUTENLP_TASKS__INTENT__ALPHA": "0.1",
        "ROUTENLP_PORTFOLIO__1__PRICE__INPUT_USD_PER_MTOK": "9.5",
        "ROUTENLP_CACHE_DIR": "/tmp/x",
        "ROUTENLP_DATA": "not a setting",
        "OTHER": "1",
    }
    settings = read(environ=environ)
    assert settings.tasks["intent"].alpha == 0.1
    assert settings.portfolio[1].price.input_usd_per_mtok == 9.5
    assert settings.cache_dir == "/tmp/x"


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("metric: accuracy", "metric: accuracy, alpah: 0.1", "alpah"),
        ("metric: accuracy", "metric: accuracy, alpha: 1.5", r"alpha"),
        ("metric: accuracy", "metric: accuracy, alpha: 0", r"alpha"),
        ("metric: accuracy", "metric: bleu", "metric"),
        ("backend: recorded", "backend: telepathy", "backend"),
        ("input_usd_per_mtok: 8", "input_usd_per_mtok: -8", "input_usd_per_mtok"),
        ("tasks:", "task:", "task"),
    ],
)
def test_a_bad_value_or_unknown_key_is_named(old, new, names):
    with pytest.raises(SettingsError, match=names):
        read(GOOD.replace(old, new))


def test_a_tier_without_a_price_is_refused_not_free():
    text = GOOD.replace(", price: {input_usd_per_mtok: 8, output_usd_per_mtok: 8}", "")
    with pytest.raises(UnknownPrice, match=r"portfolio\.top\.price"):
        read(text)


def test_a_window_is_for_tiers_that_have_one():
    openai = "backend: openai, base_url: 'http://x/v1', model: m"
    read(GOOD.replace("backend: recorded", f"{openai}, context_tokens: 512, long_input: map_reduce"))
    with pytest.raises(SettingsError, match=r"portfolio\.top\.context_tokens"):
        read(GOOD.replace("backend: recorded", "backend: recorded, context_tokens: 512"))
    with pytest.raises(SettingsError, match=r"portfolio\.top\.long_input"):
        read(GOOD.replace("backend: recorded", f"{openai}, long_input: map_reduce"))


def test_the_top_of_a_task_is_the_last_tier_that_it_allows():
    assert read(GOOD).top_of("intent") == read(GOOD).top_of("nobody's") == "top"


@pytest.mark.parametrize("text", ["[1, 2]", "", "a: [", "just words"])
def test_what_is_no_tree_of_settings_is_refused(text):
    with pytest.raises(SettingsError):
        read(text)


@pytest.mark.parametrize(
    "variable", ["ROUTENLP_NOPE", "ROUTENLP_TASKS__INTENT__NOPE", "ROUTENLP_PORTFOLIO__7__NAME", "ROUTENLP_SEED__X__Y"]
)
def test_an_unknown_variable_is_refused(variable):
    with pytest.raises(SettingsError):
        read(environ={variable: "1"})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"nope\.yaml"):
        load(tmp_path / "nope.yaml", {}, default=GOOD)


def test_a_file_replaces_the_built_in_tree(tmp_path):
    path = tmp_path / "routenlp.yaml"
    path.write_text(GOOD.replace("intent", "other"))
    assert list(load(path, {}, default=GOOD).tasks) == ["other"]
