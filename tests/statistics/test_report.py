"""The report's intervals over many draws of audits from requests whose truth is known."""

from __future__ import annotations

import pytest
from tests.unit.replay.report.made import world

from routenlp.conformal.binomial import lower_tail
from routenlp.replay.report.quality import Promise, task_quality
from routenlp.replay.report.savings import measure_task

WORLDS = 60
PROMISE = Promise("quality_ratio", 0.03, 1.0)


def often_enough(held: int) -> bool:
    """Whether so few would be no wonder, were the interval one of 95%: a percentile bootstrap's may be one of 93%."""
    return bool(lower_tail([held], [WORLDS], 0.93)[0] > 1e-3)


@pytest.mark.slow
def test_the_interval_of_always_top_holds_its_cost() -> None:
    held = 0
    for seed in range(WORLDS):
        made = world(seed)
        found = measure_task("intent", made.traffic, made.audits, seed=seed)
        assert found is not None
        top = found.savings.top
        assert top.low is not None
        assert top.high is not None
        held += top.low <= made.top_usd <= top.high
        assert found.savings.token_estimate_usd < top.low < made.top_usd * 1.2
    assert often_enough(held), held


@pytest.mark.slow
@pytest.mark.parametrize("judged", [False, True])
def test_the_interval_of_quality_holds_it_whatever_the_judge_says(judged: bool) -> None:
    held = 0
    for seed in range(WORLDS):
        made = world(seed, judged=judged)
        ratio = task_quality("intent", made.audits, PROMISE, seed=seed).ratio
        assert ratio.low is not None
        assert ratio.high is not None
        held += ratio.low <= made.quality_ratio <= ratio.high
    assert often_enough(held), held
