"""Routers that do not look at the query, and one that sends each task to its own."""

from __future__ import annotations

import pytest

from routenlp.router.fixed import AlwaysRouter, RandomRouter
from routenlp.router.per_task import RouterPerTask
from routenlp.types import Query

TIERS = ("small", "mid", "top")


def test_the_ends_of_the_scale():
    assert AlwaysRouter("mid").route(Query("q", "t", "x")).first == "mid"
    drawn = [RandomRouter(TIERS, 0).route(Query(str(i), "t", "x")).first for i in range(3000)]
    shares = [drawn.count(t) / 3000 for t in TIERS]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.04)
    assert drawn == [RandomRouter(TIERS, 0).route(Query(str(i), "t", "x")).first for i in range(3000)]


def test_each_task_has_its_own_router_and_a_task_without_one_goes_to_the_top_tier():
    router = RouterPerTask({"intent": AlwaysRouter("small"), "risk": AlwaysRouter("mid")}, "top")
    firsts = [router.route(Query("q", task, "x")).first for task in ("intent", "risk", "poetry")]
    assert firsts == ["small", "mid", "top"]
