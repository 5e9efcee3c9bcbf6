"""Savings are counted from what came back over HTTP; an error is an answer of quality 0."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.worlds import PORTFOLIO, answer, policy

from routenlp.bench.demo.savings import differing, measure, table, words
from routenlp.bench.demo.stories import choose
from routenlp.bench.demo.traffic import Exchange
from routenlp.types import Example, Query, Route, Step, Task, Trace

TASKS = {name: Task(name, "accuracy", 1.0, 1.0) for name in ("a", "b")}


def exchange(name: str, task: str, said: str | None, tiers: tuple[str, ...], cost_usd: float = 0.0) -> Exchange:
    example = Example(Query(name, task, "one two three"), "yes", name)
    error = "" if said is not None else "not_recorded"
    return Exchange(example, said, error, tiers, tiers[-1], cost_usd, f"trace-{name}", 0.01)


ASKED = [
    exchange("q1", "a", "yes", ("small",), 0.00004),
    exchange("q2", "a", "no", ("small", "mid"), 0.0004),
    exchange("q3", "b", "yes", ("small", "top"), 0.032),
    exchange("q4", "b", None, ("top",)),
]
TOP_USD = 4 * 8000.0 / 1e6
"""Three words read and one written, at the top tier's price."""


def test_each_task_and_all_of_them():
    a, b, every = measure(ASKED, PORTFOLIO, TASKS)
    assert (a.queries, a.answered, a.errors) == (2, {"small": 1, "mid": 1, "top": 0}, 0)
    assert a.cost_ratio == pytest.approx(0.00044 / (2 * TOP_USD))
    assert (a.quality_ratio, b.quality_ratio) == (0.5, 0.5)
    assert (b.errors, b.answered["top"]) == (1, 1)
    assert every.cost_usd == pytest.approx(a.cost_usd + b.cost_usd)
    assert every.quality_ratio == 0.5


def test_words_name_the_money_and_the_errors():
    said = words(measure(ASKED, PORTFOLIO, TASKS), generated=True)
    assert said[0].startswith("4 held-out generated queries of 2 tasks")
    assert "$0.03 in place of the $0.13" in said[0]
    assert said[-1].startswith("1 of them were answered with an error")
    assert len(words(measure(ASKED[:3], PORTFOLIO, TASKS), generated=False)) == 2


def test_the_table_has_a_row_a_task_and_one_of_all():
    rows = table(measure(ASKED, PORTFOLIO, TASKS)).rows
    assert [row[0] for row in rows] == ["a", "b", "all"]
    assert rows[0][2] == "50% / 50% / 0%"


def test_an_answer_by_other_tiers_than_the_replays_differs():
    def trace(x: Exchange) -> Trace:
        given = tuple(Step(answer(tier, text=x.text or ""), 0.1, None) for tier in x.tiers)
        return Trace(x.example.query, Route("a", "small", (), ""), given, given[-1].answer, "", policy().version)

    traces = {x.example.query.id: trace(x) for x in ASKED}
    assert [x.example.query.id for x in differing(ASKED, traces)] == ["q4"], "an error is no answer"
    other = [replace(ASKED[0], tiers=("mid",)), replace(ASKED[1], text="maybe"), ASKED[2]]
    assert [x.example.query.id for x in differing(other, traces)] == ["q1", "q2"]


def test_stories_are_of_one_query_settled_first_one_that_climbed_and_one_that_reached_the_top():
    assert [x.example.query.id for x in choose(ASKED, "top")] == ["q1", "q2", "q3"]
    assert [x.example.query.id for x in choose(ASKED[:1], "top")] == ["q1"]
    assert choose([ASKED[3]], "top") == []
