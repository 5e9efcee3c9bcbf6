"""What is refused of a log: a propensity that is missing or impossible first of all."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.replay.off_policy.made_log import log

from routenlp.errors import DataError, MissingData
from routenlp.replay.off_policy.logged import as_target


def changed(field: str, row: int, value) -> dict[str, np.ndarray]:
    array = np.array(getattr(log(), field))
    array[row] = value
    return {field: array}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("propensity", np.nan),
        ("propensity", [np.nan, 0.5, 0.5]),
        ("propensity", [1.2, -0.1, -0.1]),
        ("propensity", [0.5, 0.2, 0.2]),
        ("propensity", 0.0),
        ("quality", np.nan),
        ("quality", 1.1),
        ("cost_usd", np.inf),
        ("cost_usd", -1.0),
        ("action", 3),
        ("task", -1),
    ],
)
def test_an_impossible_value_is_refused_by_field_and_row(field, value):
    with pytest.raises(DataError, match=rf"logged\.{field}.* in row 7"):
        log(**changed(field, 7, value))


def test_an_action_that_had_no_chance_cannot_have_been_taken():
    row = np.zeros(3)
    row[(log().action[7] + 1) % 3] = 1.0
    with pytest.raises(DataError, match="must have been possible"):
        log(**changed("propensity", 7, row))


@pytest.mark.parametrize("field", ["task", "propensity", "quality", "cost_usd", "groups", "top_cost_usd", "estimates"])
def test_a_shape_that_does_not_fit_is_refused(field):
    with pytest.raises(DataError, match=rf"logged\.{field}: has shape \(3,\)"):
        log(**{field: np.zeros(3)})


def test_features_need_a_row_for_each_query():
    with pytest.raises(DataError, match="features"):
        log(features=np.zeros((3, 2), dtype=np.float32))


@pytest.mark.parametrize(("field", "value"), [("estimates", np.nan), ("top_cost_usd", np.nan)])
def test_optional_fields_are_whole_or_absent(field, value):
    shape = (400, 3) if field == "estimates" else (400,)
    with pytest.raises(DataError, match=field):
        log(**{field: np.full(shape, value)})


def test_an_empty_log_and_a_single_action_are_refused():
    with pytest.raises(MissingData, match="holds no query"):
        log().take(np.array([], dtype=np.int64))
    with pytest.raises(DataError, match="two or more"):
        log(actions=("top",))


def test_some_queries_can_be_taken():
    some = log().take(log().task == 1)
    assert some.n == int((log().task == 1).sum())
    assert some.quality.tolist() == log().quality[log().task == 1].tolist()


def test_a_target_is_actions_or_their_probabilities():
    logged = log()
    np.testing.assert_array_equal(as_target(np.full(400, 2), logged)[0], [0.0, 0.0, 1.0])
    mixed = np.tile([0.5, 0.25, 0.25], (400, 1))
    np.testing.assert_array_equal(as_target(mixed, logged), mixed)


@pytest.mark.parametrize(
    "target", [np.full(400, 3), np.full(400, -1), np.full((400, 3), 0.5), np.full(400, 0.5), np.full((400, 2), 0.5)]
)
def test_another_target_is_refused(target):
    with pytest.raises(DataError, match="target"):
        as_target(target, log())
