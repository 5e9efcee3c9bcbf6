"""What a run makes of what was kept, and of a limit to its time. Points by hand, but for the arms' names."""

from __future__ import annotations

import dataclasses

from tests.unit.bench.loop.test_figures import point

from routenlp.bench.loop.arms import NONE, RANDOM
from routenlp.bench.loop.course import ALL_ROWS
from routenlp.bench.loop.run import _slowest_turn, _with_yardstick_everywhere


def test_a_yardstick_that_some_task_lacks_is_left_out():
    one = [point(NONE, 0, 0.5), point(ALL_ROWS, 1, 0.1)]
    other = [dataclasses.replace(point(NONE, 0, 0.5), task="u")]
    assert _with_yardstick_everywhere(one) == one
    assert [p.arm for p in _with_yardstick_everywhere([*one, *other])] == [NONE, NONE]


def test_a_turn_takes_the_slowest_round_of_each_task_one_after_the_other():
    rounds = [dataclasses.replace(point(RANDOM, i, 0.4), seconds=s) for i, s in ((1, 3.0), (2, 5.0))]
    other = dataclasses.replace(point(RANDOM, 1, 0.4), task="u", seconds=4.0)
    yardstick = dataclasses.replace(point(ALL_ROWS, 1, 0.1), seconds=100.0)
    assert _slowest_turn([point(NONE, 0, 0.5), *rounds, other, yardstick]) == 9.0
