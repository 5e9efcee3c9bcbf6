"""A miss stays a miss, and is told by what it follows from: the detector's delay, delta, or neither."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.bench.pilot.made import DAYS, TASK, world

from routenlp.bench.frame import check_line
from routenlp.bench.pilot.answers import Moment
from routenlp.bench.pilot.every_row import EveryRow
from routenlp.bench.pilot.promises import checks
from routenlp.conformal.verdict import Status

EMPIRICAL = [(Status.EMPIRICAL, True)]


def check(made, name):
    (found,) = [c for c in checks(made) if str(c["name"]).startswith(name)]
    return found


def scattered(made, wrong_of, which):
    """One query in `wrong_of` is answered wrongly, of those in `which`."""
    quality = np.where(which & (np.arange(made.served.n) % wrong_of == 0), 0.0, 1.0)
    return replace(made, served=replace(made.served, quality=quality))


def test_what_holds_outside_of_an_episode_was_missed_by_the_detectors_delay():
    found = check(world(dict.fromkeys(range(7, 14), 0.8)), "quality ratio of generated_intent, all weeks")
    assert not found["holds"]
    assert found["why"] == "by the detector's delay: outside of it 1.000"
    assert check_line(found).startswith("MISSED (by the detector's delay")


def test_what_a_certificate_may_miss_by_chance_is_told_by_its_delta():
    made = scattered(world(), 30, np.ones(DAYS * 24, dtype=np.bool_))
    assert "by delta: under a certificate at 0.1" in check(made, "quality ratio of generated_intent, all")["why"]


def test_without_a_certificate_nothing_is_missed_by_delta():
    made = scattered(replace(world(), statuses=EMPIRICAL), 30, np.ones(DAYS * 24, dtype=np.bool_))
    found = check(made, "quality ratio of generated_intent, all")
    assert (found["holds"], "why" in found) == (False, False)


def test_a_certificate_is_no_excuse_where_the_interval_is_under_the_target():
    made = scattered(world(), 5, np.ones(DAYS * 24, dtype=np.bool_))
    found = check(made, "quality ratio of generated_intent, all")
    assert (found["holds"], "why" in found) == (False, False)


def test_nothing_holds_by_rounding():
    made = world()
    almost = replace(made.served, quality=np.full(made.served.n, 0.96998))
    found = check(replace(made, served=almost), "quality ratio of generated_intent, all")
    assert (found["holds"], found["value"]) == (False, 0.9699)


def test_what_holds_needs_no_reason():
    assert "why" not in check(world(), "quality ratio of generated_intent, all")


def rows(*quality):
    """Every row of a task, by way of serving."""
    n = len(quality[0])
    by_way = {(how, Moment()): np.array(its) for how, its in enumerate(quality)}
    return {TASK: EveryRow(tuple(str(i) for i in range(n)), np.ones(n), by_way)}


def test_the_week_after_is_judged_by_the_policy_and_not_by_the_draw():
    unlucky = world({15: 0.5})
    assert check(unlucky, "quality ratio of generated_intent after")["holds"] is False
    every = replace(unlucky, every_row=rows(np.ones(50)))
    assert check(every, "quality ratio of generated_intent after")["holds"] is True


def test_ways_of_serving_count_by_the_queries_that_they_served():
    every = rows([1.0, 1.0], [0.0, 1.0])[TASK]
    assert every.of([(0, Moment())] * 3 + [(1, Moment())]).tolist() == pytest.approx([0.75, 1.0])


def test_a_way_that_was_not_run_over_the_rows_leaves_it_unknown():
    assert rows([1.0])[TASK].of([(0, Moment(worse=0.05))]) is None
    assert rows([1.0])[TASK].of([]) is None
