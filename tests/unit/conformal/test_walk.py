"""Fixed-sequence testing, and how deltas add up."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.walk import family_delta, simultaneous_delta, walk, walks
from routenlp.errors import SettingsError


@pytest.mark.parametrize(
    ("p_values", "start", "deployed"),
    [
        ([0.01, 0.1, 0.11, 0.01], 1, 2),
        ([0.2, 0.01], 1, 0),
        ([0.01, 0.02, 0.03], 1, 3),
        ([0.9, 0.9, 0.05, 0.05, 0.9], 3, 4),
        ([0.01, 0.01, 0.9], 3, 0),
        ([0.01, 0.01], 3, 0),
        ([float("nan"), 0.01], 1, 0),
        ([], 1, 0),
    ],
)
def test_it_deploys_the_last_that_passed(p_values, start, deployed):
    assert walk(p_values, 0.1, start) == deployed


def test_many_draws_are_walked_at_once():
    p = np.array([[[0.01, 0.5], [0.01, 0.01]], [[0.5, 0.01], [0.2, 0.2]]])
    assert walks(p, 0.1).tolist() == [[1, 2], [0, 0]]


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.1, float("nan")])
def test_a_delta_that_is_no_chance_is_refused(delta):
    with pytest.raises(SettingsError, match="delta"):
        walk([0.5], delta)


def test_always_top_is_never_tested():
    with pytest.raises(SettingsError, match="start"):
        walk([0.5], 0.1, start=0)


def test_one_delta_is_split_evenly_over_tasks():
    assert family_delta(0.1, ["a", "b", "a", "c", "d"]) == dict.fromkeys("abcd", 0.025)
    assert family_delta(0.1, []) == {}


def test_unsplit_deltas_add_up():
    assert simultaneous_delta({"a": 0.1, "b": 0.05}) == pytest.approx(0.15)
    assert simultaneous_delta(dict.fromkeys(range(20), 0.1)) == 1.0


def test_it_agrees_with_mapie():
    fwer = pytest.importorskip("mapie.risk_control.fwer_control")
    rng = np.random.default_rng(0)
    for _ in range(2_000):
        p_values = rng.random(rng.integers(1, 40)) ** rng.integers(1, 9)
        rejected = fwer.control_fwer(p_values, 0.1, "fixed_sequence")
        assert rejected.tolist() == list(range(walk(p_values, 0.1)))
