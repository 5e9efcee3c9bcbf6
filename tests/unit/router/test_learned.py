"""The learned router: cheapest tier that is worth most, top tier when in doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.errors import ArtefactError
from routenlp.router.latency import LatencyEstimates
from routenlp.router.learned import LearnedRouter
from routenlp.router.reading import SURFACE, SurfaceFrame
from routenlp.types import Parts, Query

TIERS = ("small", "mid", "top")


class Lengths:
    """An encoder whose one dimension is the text's length."""

    name = "lengths"
    dim = 1

    def encode(self, texts):
        return np.array([[len(t)] for t in texts], dtype=np.float32).reshape(len(texts), 1)


class Falling:
    """Estimates that fall with the text's length, one slope a tier."""

    def __init__(self, *slopes: float) -> None:
        self.slopes = np.array(slopes)

    def estimate(self, features, task):
        return np.exp(-self.slopes * features[:, :1].astype(np.float64))

    def parts(self) -> Parts:
        return Parts("estimates/falling", {"slopes": self.slopes}, {})


SURFACE_FRAME = SurfaceFrame(np.zeros(SURFACE), np.ones(SURFACE))
ROUTER = LearnedRouter(
    Lengths(), SURFACE_FRAME, TIERS, ("intent",), Falling(0.2, 0.02, 0.0), Falling(9.0, 0.5, 0.0), 1.0, price=0.5
)


@pytest.mark.parametrize(("text", "first"), [("a", "small"), ("a" * 9, "mid"), ("a" * 90, "top")])
def test_at_a_price_it_begins_at_the_tier_that_is_worth_most(text, first):
    assert ROUTER.route(Query("q", "intent", text)).first == first


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_text_goes_to_the_top_tier(text):
    route = ROUTER.route(Query("q", "intent", text))
    assert (route.first, route.estimates) == ("top", ())


def test_a_task_that_it_was_not_trained_on_goes_to_the_top_tier():
    assert ROUTER.route(Query("q", "poetry", "a")).first == "top"


@given(st.text(max_size=200))
def test_it_never_fails_on_text(text):
    assert ROUTER.route(Query("q", "intent", text)).first in TIERS


@pytest.mark.parametrize("text", ["\x00" * 10, "\ud800 lone", "x" * 100_000, "ß٣"])
def test_odd_texts_are_routed(text):
    assert ROUTER.route(Query("q", "intent", text)).first in TIERS


def test_a_latency_part_of_another_kind_is_refused():
    late = replace(ROUTER, latency=LatencyEstimates(np.zeros((1, 3)), Falling(0.0, 0.0, 0.0)))
    with pytest.raises(ArtefactError, match="latency: is of kind 'estimates/falling'"):
        LearnedRouter.from_parts(late.parts(), Lengths(), lambda _: Falling(0.0, 0.0, 0.0))
