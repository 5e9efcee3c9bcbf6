"""A certificate of what was seen says the quality ratio on those rows, and is void for any other policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from tests.unit.worlds import policy, recorded, thresholds

from routenlp.conformal.verdict import Status
from routenlp.replay.seen import Seen, quality_ratio, with_seen
from routenlp.types import Query

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = recorded([[1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 1, 0.5]], [[0.1, 0.1, np.nan]] * 4)
SEEN = Seen([Query(name, "intent", "hello") for name in ROWS.ids], ROWS, 0.03)


def test_the_ratio_is_of_what_the_policy_returns():
    accepts = policy(thresholds({"small": 0.2}))
    assert quality_ratio(accepts, SEEN) == pytest.approx(2.0 / 3.5)
    assert quality_ratio(policy(), SEEN) == 1.0
    assert quality_ratio(policy(), replace(SEEN, answers=replace(ROWS, quality=np.zeros((4, 3))))) is None


def test_it_is_empirical_whatever_was_seen_and_void_for_another_policy():
    found = with_seen(policy(thresholds({"small": 0.2})), {"intent": SEEN}, NOW)
    certificate = found.certificates["intent"]
    assert (found.status("intent"), certificate.bound) == (Status.EMPIRICAL, None)
    assert certificate.estimate == pytest.approx(2.0 / 3.5)
    assert replace(found, stop_rule=thresholds({"small": 0.3})).status("intent") is Status.UNCERTIFIED
