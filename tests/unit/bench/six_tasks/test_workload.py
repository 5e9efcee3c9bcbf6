"""Which rows a run works on."""

from __future__ import annotations

from importlib import resources

import pytest

from routenlp.bench.six_tasks import workload
from routenlp.errors import DataError, UnknownTask
from routenlp.settings import load


def settings(**environ: str):
    text = resources.files("routenlp.bench.six_tasks").joinpath("settings.yaml").read_text()
    return load(None, environ, default=text)


def test_the_generated_workload_is_called_generated():
    rows = workload.load(settings(), None, quick=True, make_rows=True)
    assert rows.generated
    assert "generated" in rows.where
    assert sum(len(f.examples) for folds in rows.folds.values() for f in vars_of(folds)) == 3_000


def vars_of(folds):
    return (folds.train, folds.calibrate, folds.gate, folds.test)


def test_only_the_tasks_asked_for_are_loaded():
    rows = workload.load(settings(), None, quick=True, only=["generated_reply"], make_rows=True)
    assert list(rows.folds) == ["generated_reply"]


def test_an_unknown_task_is_refused():
    with pytest.raises(UnknownTask, match="poetry"):
        workload.load(settings(), None, quick=True, only=["poetry"])


def test_a_folder_asked_for_by_name_that_holds_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="data_dir"):
        workload.load(settings(ROUTENLP_DATA_DIR=str(tmp_path)), None, quick=True)


@pytest.mark.data
def test_the_sample_is_a_part_of_the_rows_and_keeps_their_folds(six_tasks_dir):
    whole = workload.load(settings(), str(six_tasks_dir.parent), quick=False, only=["legal_risk"])
    part = workload.load(settings(), str(six_tasks_dir.parent), quick=True, only=["legal_risk"])
    for all_rows, some in zip(vars_of(whole.folds["legal_risk"]), vars_of(part.folds["legal_risk"]), strict=True):
        assert {e.query.id for e in some.examples} < {e.query.id for e in all_rows.examples}
    assert (part.sampled, whole.sampled) == (True, False)
