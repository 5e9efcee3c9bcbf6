"""One query at a time decides exactly as many rows at once do."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.cascade.deadlines import Late
from routenlp.cascade.decision import TERMS, Reach, Utility, decide
from routenlp.cascade.estimates import SIGNALS, AnswerQuality, AnswerSignals, Evidence, members
from routenlp.cascade.one_query import Known, OneQuality, decide_one

TIERS, TASKS, KNOTS = 3, 2, 5
STATES = range(2**TIERS)


def made_quality(rng: np.random.Generator) -> AnswerQuality:
    signals = AnswerSignals(
        knots=np.sort(rng.random((TIERS, KNOTS)), axis=1),
        levels=np.sort(rng.random((TASKS, TIERS, KNOTS)), axis=2),
        centre=rng.normal(size=(TIERS, SIGNALS)),
        length_mean=rng.normal(3.0, 1.0, TIERS),
        length_scale=rng.uniform(0.5, 2.0, TIERS),
    )
    return AnswerQuality(
        signals,
        rng.normal(size=(2**TIERS, TIERS, TASKS)),
        rng.normal(size=(2**TIERS, TIERS, TIERS)),
        rng.normal(size=(2**TIERS, TIERS, SIGNALS, TIERS)),
    )


@pytest.mark.parametrize("state", STATES)
def test_estimates_are_the_same_bits(state):
    rng = np.random.default_rng(state)
    quality = made_quality(rng)
    n = 200
    confidence = rng.random((n, TIERS))
    confidence[rng.random((n, TIERS)) < 0.3] = np.nan
    evidence = Evidence(
        rng.integers(0, TASKS, n), rng.random((n, TIERS)), confidence, rng.integers(0, 900, (n, TIERS)).astype(float)
    )
    many, one = quality.predict(evidence, state), OneQuality(quality)
    for i in range(n):
        answers = {
            k: Known(None if np.isnan(confidence[i, k]) else float(confidence[i, k]), float(evidence.length[i, k]))
            for k in members(state)
        }
        assert one.predict(int(evidence.task[i]), evidence.expected[i].tolist(), answers, state) == many[i].tolist()


@pytest.mark.parametrize("reach", Reach)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("options", [False, True])
@pytest.mark.parametrize("hurried", [False, True])
def test_decisions_are_the_same(reach, state, options, hurried):
    rng = np.random.default_rng([state, options, hurried])
    n = 200
    predicted = rng.random((n, TIERS)).round(2)  # ties are frequent
    cost = np.sort(rng.random((n, TIERS)).round(1), axis=1)
    weights = rng.normal(0.0, 0.2, (2**TIERS, TIERS, TERMS)) if options else None
    utility = Utility(float(rng.choice([0.0, 0.1, 0.5])), float(rng.choice([0.0, 0.1, 2.0])), weights)
    late = Late(rng.random((n, TIERS)).round(1), rng.random((n, TIERS)) < 0.6) if hurried else None
    many = decide(predicted, state, cost, utility, reach, late)
    for i in range(n):
        row = None if late is None else Late(late.penalty[i : i + 1], late.feasible[i : i + 1])
        found = decide_one(predicted[i].tolist(), state, cost[i].tolist(), utility, reach, row)
        assert (found.call, found.answer) == (int(many.call[i]), int(many.answer[i]))
