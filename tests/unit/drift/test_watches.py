"""Which audits count under each guarantee, and what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.conformal.predictions import Gold, loss_bounds, span
from routenlp.drift.watches import Audited, watch
from routenlp.errors import DataError, SettingsError

ACCEPTED_AND_FAILED = Audited(routed=0.0, top=1.0, cheap=True, loss=1.0, escalated=False, right=False)
ACCEPTED_AND_RIGHT = Audited(routed=1.0, top=1.0, cheap=True, loss=0.0, escalated=False, right=True)
ESCALATED_NEEDLESSLY = Audited(routed=1.0, top=1.0, cheap=False, loss=0.0, escalated=True, right=True)
TOP_FAILED = Audited(routed=0.0, top=0.0, cheap=False, loss=1.0, escalated=True, right=False)


@pytest.mark.parametrize(
    ("guarantee", "audit", "x"),
    [
        ("joint", ACCEPTED_AND_FAILED, 0.95),
        ("joint", ACCEPTED_AND_RIGHT, -0.05),
        ("joint", TOP_FAILED, -0.05),
        ("conditional", ACCEPTED_AND_FAILED, 0.95),
        ("conditional", ACCEPTED_AND_RIGHT, -0.05),
        ("conditional", ESCALATED_NEEDLESSLY, None),
        ("conditional", TOP_FAILED, None),
        ("quality_ratio", ACCEPTED_AND_FAILED, 0.95),
        ("quality_ratio", ACCEPTED_AND_RIGHT, -0.05),
        ("quality_ratio", TOP_FAILED, 0.0),
        ("paper", ESCALATED_NEEDLESSLY, 0.95),
        ("paper", ACCEPTED_AND_RIGHT, -0.05),
        ("paper", ACCEPTED_AND_FAILED, None),
    ],
)
def test_each_guarantee_counts_its_own_losses(guarantee, audit, x):
    found = watch(guarantee, 0.05).sample(audit)
    assert found == (None if x is None else pytest.approx(x))


@given(
    st.sampled_from(["joint", "conditional", "quality_ratio", "paper"]),
    st.floats(0.001, 0.999),
    st.floats(-50.0, -0.01) | st.none(),
)
def test_no_sample_can_ruin_a_bet(guarantee, target, lowest):
    found = watch(guarantee, target, lowest=lowest)
    assert all(1.0 + bet * found.lowest >= 0.05 - 1e-9 for bet in found.bets)
    assert all(bet > 0.0 for bet in found.bets)


def test_corrected_judge_labels_are_bet_on_less():
    gold = Gold(np.array([True, False]), np.array([0.3, 0.3]))
    plain, judged = watch("joint", 0.05), watch("joint", 0.05, lowest=loss_bounds(gold, 0.8)[0] - 0.05)
    assert max(judged.bets) < max(plain.bets) / 10
    assert watch("quality_ratio", 0.03, lowest=-span(gold, 0.8)).bets < watch("quality_ratio", 0.03).bets


@pytest.mark.parametrize("target", [0.0, 1.0, 1.5, -0.1])
def test_a_target_that_is_no_share_is_refused(target):
    with pytest.raises(SettingsError, match="target"):
        watch("joint", target)


def test_an_unknown_guarantee_and_a_promise_that_cannot_be_kept_are_refused():
    with pytest.raises(DataError, match="guarantee"):
        watch("all will be well", 0.05)
    with pytest.raises(DataError, match="lowest loss"):
        watch("joint", 0.05, lowest=0.0)
