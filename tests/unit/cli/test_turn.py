"""What a plan says in words: which tasks stay as they are, and whether a turn would do anything at all."""

from __future__ import annotations

import json
from pathlib import Path

from routenlp.backends.recording import Row, write_recording
from routenlp.cli.turn import teacher, words
from routenlp.loop.economics import BreakEven, Gain, Outlay
from routenlp.loop.provable import TooFew
from routenlp.settings import load
from routenlp.store.rows_book import TaskRows
from routenlp.types import CalibrationFold, GateFold, Query, TrainingFold
from routenlp.worker.turn.plan import TaskPlan, TurnPlan
from routenlp.worker.turn.system import Unteachable
from routenlp.worker.turn.traffic import LeftOut

FEW = TooFew("rare", rows=10, groups=10, lacking=105, level=0.05)


def task(name, lessons, too_few=None):
    none = ((), tuple(range(lessons)), 0, 0.0, 1.0, None)
    return TaskPlan(name, 300, 50, {"escalated": 50}, 0, LeftOut(), *none, too_few=too_few)


def plan(*tasks, unteachable=()):
    return TurnPlan(tasks, 1.0, Gain(0.1, 0.05), Outlay(0, 0.0), BreakEven(0.0, 0.0), unteachable)


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


def test_a_task_that_no_turn_can_refit_is_named_and_asks_for_no_gate_rows():
    rows = TaskRows(TrainingFold("drafts", ()), CalibrationFold("drafts", ()), GateFold("drafts", ()))
    other = Unteachable("drafts", rows, "it may use distilled, and a turn refits students alone")
    said = words(plan(task("common", 0), unteachable=(other,)), fewest=20)
    assert "Task drafts stays as it is: it may use distilled, and a turn refits students alone." in said
    assert said[-2] == "0 lessons could be had, under 20: nothing to learn from."


def test_the_teacher_is_the_last_tier_that_the_task_may_use(tmp_path):
    recordings = {name: str(tmp_path / f"{name}.jsonl.gz") for name in ("distilled", "labels")}
    for name, file in recordings.items():
        write_recording(Path(file), [Row("1", task, "a text", f"{name} said") for task in ("drafts", "intent")])
    tiers = [
        {
            "name": name,
            "backend": "recorded",
            "recording": file,
            "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
        }
        for name, file in recordings.items()
    ]
    given = json.dumps({"portfolio": tiers, "tasks": {"drafts": {"allowed_tiers": ["distilled"]}, "intent": {}}})
    ask = teacher(load(None, {}, default=given), {})
    assert ask(Query("1", "drafts", "a text")) == "distilled said"
    assert ask(Query("1", "intent", "a text")) == "labels said"


def test_with_few_lessons_it_says_how_many_there_are():
    found = plan(task("common", 12))
    assert found.why_not(12) is None
    assert words(found, fewest=20)[-2] == "12 lessons could be had, under 20: nothing to learn from."
