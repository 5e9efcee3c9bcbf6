"""The loop bench's words: every check can fail, and tables say what was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.bench.loop.test_figures import GROUPS, course, point

from routenlp.bench.loop.arms import ARMS, COVER, NONE, RANDOM
from routenlp.bench.loop.course import ALL_ROWS, Plan
from routenlp.bench.loop.figures import figures
from routenlp.bench.loop.report import checks, notes, promised, tables
from routenlp.bench.loop.run import Result
from routenlp.bench.six_tasks.workload import Workload

COSTS = {RANDOM: (0.45, 0.4, 0.35), COVER: (0.40, 0.34, 0.2)}


def result(costs: dict[str, tuple[float, ...]] | None = None, *, tasks: tuple[str, ...] = ("cs_intent",)) -> Result:
    made = dict.fromkeys(ARMS, (0.48, 0.45, 0.41)) | COSTS | (costs or {})
    rows = [point(NONE, 0, 0.5), *(p for arm in ARMS for p in course(arm, *made[arm])), point(ALL_ROWS, 1, 0.1)]
    # Sizes as planned: half of all lessons stand after the second round.
    sized = [replace(p, lessons={0: 0, 1: 150, 2: 450, 3: 900}[p.round]) for p in rows]
    points = [replace(p, task=task) for task in tasks for p in sized]
    found = figures(points, dict.fromkeys(tasks, GROUPS["t"]), seed=0)
    workload = Workload({}, "made by hand", False, False)
    barred = dict.fromkeys(tasks, 0.2)
    return Result(
        workload, Plan((150, 300, 450), 0.97), dict.fromkeys(tasks, 5), found, None, barred, 0, 20.0, 60.0, 900.0, 2
    )


def missed(made: Result) -> list[str]:
    return [str(check["name"]) for check in checks(made, quick=True) if not check["holds"]]


def test_a_good_run_misses_nothing():
    assert missed(result()) == []


@pytest.mark.parametrize(
    ("worse", "word"),
    [
        (result({COVER: (0.45, 0.36, 0.2)}), "of random's"),
        (result({COVER: (0.45, 0.44, 0.43)}), "of random's"),
        (result(dict.fromkeys(ARMS, (0.6, 0.6, 0.6))), "change over all rounds"),
        (replace(result(), held_out_seen=1), "held-out"),
        (replace(result(), slowest_turn_s=61.0), "turn"),
        (replace(result(), seconds=301.0), "seconds"),
        (replace(result(), peak_rss_mb=4_000.0), "memory"),
    ],
)
def test_every_promise_can_be_missed(worse, word):
    assert any(word in name for name in missed(worse))


def test_every_arm_and_round_has_its_row_and_the_papers_ablations_are_there():
    rounds, arrivals, ablations, task = tables(result())
    assert len(rounds.rows) == len(task.rows) == 2 + 3 * len(ARMS)
    assert {row[0] for row in arrivals.rows} == set(ARMS)
    assert [row[0].split(":")[0] for row in ablations.rows] == [f"all of it ({COVER})", "no cascade", "no loop"]


def test_of_other_tasks_than_structured_ones_no_fall_is_promised():
    assert not any("change over" in str(c["name"]) for c in checks(result(tasks=("cs_response",)), quick=True))


def test_what_is_promised_is_over_structured_tasks_where_there_are_others_too():
    few = result().figures
    both = replace(result(tasks=("cs_intent", "cs_response")), structured=few)
    assert promised(both) is few
    assert "Structured tasks" in tables(both)[0].title


def test_notes_say_what_no_arm_might_learn_from():
    assert any("20.0%" in note for note in notes(result()))


def test_notes_say_how_many_seeds_each_task_had():
    both = result(tasks=("cs_intent", "fin_ner"))
    assert "Seeds: 5." in notes(both)[0]
    assert "Seeds: 5 of cs_intent, 2 of fin_ner." in notes(replace(both, seeds={"cs_intent": 5, "fin_ner": 2}))[0]


def test_tasks_with_fewer_seeds_are_named():
    made = result(tasks=("cs_intent", "cs_response"))
    assert not any("Fewer seeds" in note for note in notes(made))
    fewer = replace(made, seeds={"cs_intent": 5, "cs_response": 2})
    assert any(note.startswith("Fewer seeds of cs_response,") for note in notes(fewer))
