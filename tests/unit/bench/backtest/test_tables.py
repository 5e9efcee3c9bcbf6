from __future__ import annotations

from dataclasses import replace

from tests.unit.bench.backtest.made_backtest import point, result, verdict

from routenlp.bench.backtest.tables import all_tables, dropped, guarantees, systems, tasks
from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.result import PaperResult, SystemResult, TaskResult
from routenlp.replay.intervals import UNKNOWN
from routenlp.replay.outcomes.table import Dropped


def test_rows_are_as_wide_as_their_heads():
    for table in [*all_tables(result()), tasks(result())]:
        assert {len(row) for row in table.rows} == {len(table.heads)}


def test_our_three_operating_points_come_first():
    rows = systems(result()).rows
    assert [row[0] for row in rows[:3]] == ["routenlp", "routenlp asymptotic", "routenlp uncertified"]


def test_misses_stand_beside_those_beyond_noise():
    assert systems(result()).rows[0][5] == "10% (5%)"


def test_a_system_that_could_not_be_fitted_says_why_and_has_no_figures():
    absent = SystemResult("automix", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, None, None, "needs a confidence")
    row = systems(result(systems=(absent,))).rows[0]
    assert row == ("automix", "–", "–", "–", "–", "–", "needs a confidence")


def test_the_four_rules_and_the_normal_approximations_stand_side_by_side():
    assert [row[0] for row in guarantees(result()).rows] == [
        "quality_ratio",
        "quality_ratio (normal)",
        "joint",
        "joint (normal)",
        "conditional",
        "conditional (normal)",
        "paper",
    ]


def test_paper_without_confidence_says_what_it_needs():
    paper = PaperResult(0.05, (None,), Status.UNCERTIFIED, None, None)
    assert guarantees(result(paper=paper)).rows[-1][1] == "needs a confidence"


def test_a_certificate_that_saves_nothing_says_so():
    assert guarantees(result(cost=1.0)).rows[0][1] == "CERTIFIED, nothing cheaper"
    assert guarantees(result()).rows[0][1] == "CERTIFIED"


def test_labels_of_a_task_are_those_of_its_tuned_point():
    cases = {"proved": 0, "soon": 1_500, "never": None}
    made = {name: TaskResult(verdict(), point(), needed, 100) for name, needed in cases.items()}
    table = tasks(result(tasks=made))
    assert table.heads[-1] == "more labels to prove its tuned point"
    assert [row[-1] for row in table.rows] == ["–", "1,500", "nothing cheaper holds the target"]


def test_tasks_are_shown_where_there_are_several_and_drops_where_there_are_any():
    one = result()
    assert len(all_tables(one)) == 2
    several = replace(one, tasks={"a": one.tasks["ask"], "b": one.tasks["ask"]})
    lost = replace(several, recording=replace(one.recording, dropped=(Dropped("rows", 12, "no quality"),)))
    assert len(all_tables(lost)) == 4
    assert dropped(lost).rows == (("rows", "12", "no quality"),)


def test_one_split_has_no_spread():
    assert "(1 split)" in systems(result(repeats=1)).title
