"""What an answer costs: recorded, else given, else estimated; never unknown, never silently left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.replay.outcomes.made import columns, rows, write

from routenlp.errors import CorruptData, MissingData, SettingsError
from routenlp.portfolio.prices import Price
from routenlp.replay.outcomes.prices import prices_from, read_prices
from routenlp.replay.outcomes.reading import read_outcomes


def recorded(**by_model):
    """Two queries, models a and b; `by_model` gives either's columns."""
    none = {"cost_usd": None, "cost_est_usd": None, "input_tokens": None, "output_tokens": None}
    return columns([one | none | by_model.get(one["model"], {}) for one in rows(2, "a", "b")])


def test_a_recorded_cost_goes_before_a_given_one_and_that_before_an_estimate():
    frame = recorded(a={"cost_usd": 1.0, "cost_est_usd": 9.0}, b={"cost_est_usd": 9.0})
    table = read_outcomes(frame, costs={"a": 5.0, "b": 5.0})
    assert table.cost_usd.tolist() == [[1.0, 5.0], [1.0, 5.0]]
    assert table.cost_kind == "given"


def test_one_estimate_makes_the_costs_estimated():
    table = read_outcomes(recorded(a={"cost_usd": 1.0}, b={"cost_est_usd": 9.0}))
    assert (table.cost_usd[0].tolist(), table.cost_kind) == ([1.0, 9.0], "estimated")


def test_a_price_per_token_counts_the_tokens():
    price = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 10.0}
    table = read_outcomes(
        recorded(a={"cost_usd": 1.0}, b={"input_tokens": 500, "output_tokens": 50}), prices={"b": price}
    )
    assert table.cost_usd[0, table.models.index("b")] == pytest.approx(0.001)
    assert table.cost_kind == "given"


def test_a_price_per_token_without_tokens_is_no_cost():
    price = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 10.0}
    table = read_outcomes(
        recorded(a={"cost_usd": 1.0}, b={"input_tokens": 500, "cost_est_usd": 2.0}), prices={"b": price}
    )
    assert (table.cost_usd[0].tolist(), table.cost_kind) == ([1.0, 2.0], "estimated")


def test_a_model_without_any_cost_is_dropped_and_named():
    frame = columns([one | {"cost_usd": None if one["model"] == "c" else 1.0} for one in rows(3, "a", "b", "c")])
    table = read_outcomes(frame)
    assert table.models == ("a", "b")
    [dropped] = table.dropped
    assert (dropped.what, dropped.count) == ("model c", 3)
    assert "--cost c=USD" in dropped.why


def test_rows_without_a_cost_of_a_model_that_has_some_are_dropped():
    frame = columns([one | {"cost_usd": None if one["query_id"] == "q1" else 1.0} for one in rows(3, "a", "b")])
    table = read_outcomes(frame)
    assert table.ids == ("q0", "q2")
    assert (table.dropped[0].what, table.dropped[0].count, table.dropped[0].examples) == (
        "rows",
        2,
        ("q1 / a", "q1 / b"),
    )


def test_the_kind_of_cost_is_that_of_the_rows_kept():
    alone = {"query_id": "alone", "model": "a", "quality": 1.0, "cost_est_usd": 1.0}
    assert read_outcomes(columns([*rows(2, "a", "b"), alone])).cost_kind == "recorded"


def test_a_price_file_has_a_section_for_each_recording(tmp_path: Path):
    prices = tmp_path / "prices.yaml"
    prices.write_text("a: 1\nlog:\n  b: 2\nother:\n  b: 7\n")
    frame = [one | {"cost_usd": None} for one in rows(2, "a", "b")]
    assert read_outcomes(write(tmp_path / "log.csv.gz", frame), prices=prices).mean_cost_usd.tolist() == [1.0, 2.0]


def test_costs_go_before_prices():
    table = read_outcomes(recorded(), prices={"a": 1.0, "b": 2.0}, costs={"a": 9.0})
    assert (table.models, table.mean_cost_usd.tolist()) == (("b", "a"), [2.0, 9.0])


def test_a_file_with_other_sections_only_is_refused():
    with pytest.raises(SettingsError, match="has sections for x, y and none for log"):
        prices_from({"x": {"a": 1.0}, "y": {}}, "log")


@pytest.mark.parametrize(
    "value", [-1.0, float("nan"), float("inf"), "1", True, None, {"input_usd_per_mtok": 1.0}, [1.0]]
)
def test_what_is_no_price_is_named(value):
    with pytest.raises(SettingsError, match=r"prices: a: .* Give USD per query, or"):
        prices_from({"a": value}, None)


def test_a_negative_price_per_token_is_named():
    with pytest.raises(SettingsError, match=r"prices: a.output_usd_per_mtok: is -1"):
        prices_from({"a": {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": -1}}, None)


def test_prices_may_be_objects():
    assert prices_from({"a": Price(1.0, 2.0)}, None) == {"a": Price(1.0, 2.0)}


@pytest.mark.parametrize(("text", "error"), [("- a", SettingsError), ("a: [", CorruptData), ("", SettingsError)])
def test_a_file_that_holds_no_prices_is_refused(tmp_path, text, error):
    (tmp_path / "prices.yaml").write_text(text)
    with pytest.raises(error, match=r"prices\.yaml"):
        read_prices(tmp_path / "prices.yaml", None)


def test_a_price_file_that_is_not_there_is_missing(tmp_path):
    with pytest.raises(MissingData, match="no such file"):
        read_prices(tmp_path / "prices.yaml", None)
    with pytest.raises(MissingData, match="cannot be read"):
        read_prices(tmp_path, None)
