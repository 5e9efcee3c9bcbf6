"""The pre-router: cheapest tier good enough, top tier when in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.router.estimator import LinearEstimator, features
from routenlp.router.fixed import AlwaysRouter, RandomRouter
from routenlp.router.pre_router import PreRouter, first_positions
from routenlp.types import Query

TIERS = ("small", "mid", "top")


class Lengths:
    """An encoder whose one dimension is the text's length."""

    name = "lengths"
    dim = 1

    def encode(self, texts):
        return np.array([[len(t)] for t in texts], dtype=np.float32).reshape(len(texts), 1)


def head(*slopes: float) -> np.ndarray:
    """Estimates fall with length, one slope a tier; surface features are ignored."""
    return np.array([[-s, 0, 0, 0, 0, 3.0] for s in slopes])


ROUTER = PreRouter(Lengths(), LinearEstimator({"intent": head(1.0, 0.2, 0.0)}), TIERS, {"intent": 0.8})


@pytest.mark.parametrize(("text", "first"), [("a", "small"), ("a" * 5, "mid"), ("a" * 50, "top")])
def test_it_begins_at_the_cheapest_tier_that_is_good_enough(text, first):
    assert ROUTER.route(Query("q", "intent", text)).first == first


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text_goes_to_the_top_tier(text):
    assert ROUTER.route(Query("q", "intent", text)).first == "top"


def test_a_task_without_heads_or_without_cutoff_goes_to_the_top_tier():
    assert ROUTER.route(Query("q", "poetry", "a")).first == "top"
    bare = PreRouter(Lengths(), ROUTER.estimator, TIERS, {})
    assert bare.route(Query("q", "intent", "a")).first == "top"


@given(st.text(max_size=200))
def test_it_never_fails_on_text(text):
    assert ROUTER.route(Query("q", "intent", text)).first in TIERS


@pytest.mark.parametrize("text", ["\x00" * 10, "\ud800 lone", "x" * 100_000, "ß٣"])
def test_odd_texts_are_routed(text):
    assert ROUTER.route(Query("q", "intent", text)).first in TIERS


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_cutoff_never_begins_cheaper(rows, low, high):
    low, high = sorted((low, high))
    estimates = np.array(rows)
    assert (first_positions(estimates, low) <= first_positions(estimates, high)).all()


def test_no_estimate_means_the_top_tier():
    assert first_positions(np.array([[np.nan, np.nan, np.nan]]), 0.0).tolist() == [2]


def test_estimates_come_back_from_storage():
    back = LinearEstimator.from_parts(ROUTER.parts())
    rows = features(Lengths().encode(["abc"]), ["abc"])
    np.testing.assert_array_equal(back.estimate("intent", rows), ROUTER.estimator.estimate("intent", rows))


def test_the_ends_of_the_scale():
    assert AlwaysRouter("mid").route(Query("q", "t", "x")).first == "mid"
    drawn = [RandomRouter(TIERS, 0).route(Query(str(i), "t", "x")).first for i in range(3000)]
    shares = [drawn.count(t) / 3000 for t in TIERS]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.04)
    assert drawn == [RandomRouter(TIERS, 0).route(Query(str(i), "t", "x")).first for i in range(3000)]
