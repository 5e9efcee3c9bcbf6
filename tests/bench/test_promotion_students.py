"""Real students of cs_intent, fitted here: spoilt ones are stopped, better ones go through."""

from __future__ import annotations

import os

import pytest

from routenlp import wiring
from routenlp.bench.promotion.run import try_students
from routenlp.bench.promotion.students import HARMFUL, Student, candidate, in_force, make_task
from routenlp.bench.six_tasks import workload
from routenlp.cli.six_tasks import built_in_settings

pytestmark = [pytest.mark.slow, pytest.mark.data]
SEEDS = 3


@pytest.fixture(scope="module")
def task():
    settings, where = built_in_settings(None, os.environ), os.environ.get("ROUTENLP_DATA")
    if workload.find(settings, where) is None:
        pytest.skip("the six tasks are not here")
    folds = workload.load(settings, where, quick=False, only=["cs_intent"]).folds["cs_intent"]
    encoder = wiring.cached(wiring.minilm(settings, lambda _: None).with_pooling(rich=True), settings)
    return make_task(folds, encoder, seed=0)


def test_spoilt_students_are_stopped_and_better_ones_go_through(task):
    rows = try_students(task, SEEDS, lambda done, total: None)
    promoted = {row.candidate: row.promoted for row in rows}
    assert {kind: promoted[kind.value] for kind in HARMFUL} == dict.fromkeys(HARMFUL, 0.0)
    assert promoted[Student.NEUTRAL.value] == 0.0
    assert promoted[Student.BETTER.value] == 1.0


def test_a_student_of_spoilt_labels_is_worse_where_they_were_spoilt(task):
    current = in_force(task, seed=0)
    spoilt = candidate(task, Student.EXCHANGED_KEPT, current, seed=0)
    right = [served.fit.answers(task.test.units)[0] == task.test.codes for served in (current, spoilt)]
    by_segment = [[float(r[task.test.segments == s].mean()) for s in range(10)] for r in right]
    falls = sorted(before - after for before, after in zip(*by_segment, strict=True))
    assert falls[-1] > 0.5
    assert falls[-2] < 0.2
