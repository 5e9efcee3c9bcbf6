from __future__ import annotations

import numpy as np
import pytest
from tests.unit.bench.loop.small import folds

from routenlp.bench.fresh.arrivals import Arrival, Use
from routenlp.bench.fresh.course import Served, Turn
from routenlp.bench.fresh.figures import Ran, of_task, together
from routenlp.bench.fresh.report import verdict

ROWS = folds("generated_intent").test.examples[:40]


def served(cost: float, quality: float, *, promoted: bool, use: Use = Use.COUNT, rest: float = 0.0) -> Served:
    n = len(ROWS)
    full, top = np.full, not promoted
    arrived = tuple(Arrival(example, use, barred=False) for example in ROWS)
    return Served(arrived, full(n, cost), full(n, quality), np.ones(n), full(n, rest), full(n, top), promoted)


def ran(*parts: Served, task: str = "t", serves: bool = True) -> Ran:
    return Ran(task, "arm", 0, parts, (Turn(40, 100, 100, 5, 0.5, 0.97, serves, ""),), 1.0)


def test_half_of_the_stream_at_a_tenth_of_the_cost() -> None:
    found = of_task([ran(served(1.0, 1.0, promoted=False), served(0.1, 1.0, promoted=True))], seed=0).standing
    assert found.savings.estimate == pytest.approx(0.45)
    assert found.savings_after.estimate == pytest.approx(0.9)
    assert (found.acceptance.estimate, found.promoted_at) == (1.0, (40,))
    assert verdict(found) == "not refuted"


def test_what_audits_pay_beside_serving_is_taken_off() -> None:
    audits = served(0.1, 1.0, promoted=True, use=Use.CALIBRATE, rest=1.0)
    found = of_task([ran(served(0.1, 1.0, promoted=True), audits)], seed=0).standing
    assert found.savings_served.estimate == pytest.approx(0.9)
    assert found.savings.estimate == pytest.approx(0.9 - 0.5)


def test_it_is_refuted_by_bad_answers_and_by_nothing_saved() -> None:
    bad = of_task([ran(served(0.1, 0.0, promoted=True))], seed=0).standing
    assert verdict(bad) == "refuted: acceptance"
    idle = of_task([ran(served(1.0, 1.0, promoted=False), serves=False)], seed=0).standing
    assert verdict(idle) == "refuted: savings"
    assert (idle.acceptance_after.estimate, idle.promoted_at) == (None, (None,))


def test_every_task_counts_the_same() -> None:
    runs = [ran(served(c, 1.0, promoted=True), task=t) for c, t in ((0.2, "a"), (0.6, "b"))]
    found = together([of_task([run], seed=0) for run in runs], runs)
    assert found.savings.estimate == pytest.approx(0.6)
