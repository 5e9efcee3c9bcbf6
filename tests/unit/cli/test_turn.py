"""What a plan says in words: which tasks stay as they are, and whether a turn would do anything at all."""

from __future__ import annotations

from routenlp.cli.turn import words
from routenlp.loop.economics import BreakEven, Gain, Outlay
from routenlp.loop.provable import TooFew
from routenlp.worker.turn.plan import TaskPlan, TurnPlan
from routenlp.worker.turn.traffic import LeftOut

FEW = TooFew("rare", rows=10, groups=10, lacking=105, level=0.05)


def task(name, lessons, too_few=None):
    none = ((), tuple(range(lessons)), 0, 0.0, 1.0, None)
    return TaskPlan(name, 300, 50, {"escalated": 50}, 0, LeftOut(), *none, too_few=too_few)


def plan(*tasks):
    return TurnPlan(tasks, 1.0, Gain(0.1, 0.05), Outlay(0, 0.0), BreakEven(0.0, 0.0))


def test_a_task_with_too_few_gate_rows_is_named_with_what_it_lacks():
    said = words(plan(task("common", 40), task("rare", 0, FEW)), fewest=20)
    assert FEW.reason in said
    assert "10 gate rows, and it takes 105 more" in FEW.reason
    assert said[-1] == "Nothing was spent. `routenlp turn` does it."


def test_with_no_task_left_it_says_that_a_turn_would_end_there():
    said = words(plan(task("rare", 0, FEW)), fewest=20)
    assert said[-2:] == [
        "No task is left that a turn could teach: more gate rows are needed.",
        "Nothing was spent, and `routenlp turn` would end there too.",
    ]


def test_with_few_lessons_it_says_how_many_there_are():
    found = plan(task("common", 12))
    assert found.why_not(12) is None
    assert words(found, fewest=20)[-2] == "12 lessons could be had, under 20: nothing to learn from."
