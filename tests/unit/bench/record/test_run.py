"""All steps with a small real model: two recordings, the same whether or not the run was stopped on the way."""

from __future__ import annotations

import io

import pytest
from tests.unit.bench.record.rows import row

from routenlp.backends.generations import read_generations
from routenlp.bench.progress import LineProgress
from routenlp.bench.record.asked import ROWS, write_asked
from routenlp.bench.record.plan import PLANS
from routenlp.bench.record.roles import Role
from routenlp.bench.record.run import Step, record_task, some_of_each
from routenlp.bench.record.steps import Desk
from routenlp.errors import SettingsError

PLAN = PLANS["cs_response"].quick()
WORDS = ("card", "refund", "limit")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def rows():
    kinds = [(Role.GENERATOR, "train"), (Role.RERANKER, "train"), (Role.NONE, "calibrate"), (Role.NONE, "test")]
    return [
        row(f"q{i}", f"about the {WORDS[i % 3]}", fold=fold, role=role, text=f"number {i} on my {WORDS[i % 3]}")
        for i, (role, fold) in enumerate(kinds * 5)
    ]


def no_folds():
    raise AssertionError("prompts lie in the work folder: no rows are read")


def recorded(work, base, into, step=Step.ALL):
    write_asked(work / PLAN.task / ROWS, rows())
    return record_task(
        Desk(work, base, LineProgress(io.StringIO())), PLAN, no_folds, 0.2, into / "out", seed=0, step=step
    )


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_in_pieces_records_what_an_uninterrupted_one_does(small_model, tmp_path):
    made = recorded(tmp_path / "a", small_model, tmp_path / "one")
    assert recorded(tmp_path / "b", small_model, tmp_path / "two", Step.PROMPTED) is None
    assert recorded(tmp_path / "b", small_model, tmp_path / "two", Step.TUNED) is None
    next((tmp_path / "b" / PLAN.task / "tuned").glob("*.gz")).unlink()
    again = recorded(tmp_path / "b", small_model, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert made.answers == again.answers
    wanted = {one.id for one in rows() if one.role is not Role.GENERATOR}
    assert {g.id for g in read_generations(tmp_path / "one" / "out" / PLAN.task / "tuned.jsonl.gz")} == wanted
    assert made.about["rows"] == {"generator": 5, "reranker": 5, "none": 10}
    assert set(made.about["rouge_l"]) == {"reranker", "calibrate", "test"}


def test_a_limit_takes_so_many_rows_of_each_fold_and_role():
    some = some_of_each(rows(), 2)
    assert len(some) == 8
    assert [one.id for one in some] == [f"q{i}" for i in range(8)]
    with pytest.raises(SettingsError, match="--limit"):
        some_of_each(rows(), 0)
