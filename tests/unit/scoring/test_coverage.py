"""A score that ranks well has little risk at every coverage."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.scoring.coverage import risk_coverage_area

LOSS = np.array([0.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("score", "area"),
    [
        ([0.1, 0.2, 0.3, 0.4], (0 + 0 + 1 / 3 + 1 / 2) / 4),
        ([0.4, 0.3, 0.2, 0.1], (1 + 1 + 2 / 3 + 1 / 2) / 4),
        ([0.5, 0.5, 0.5, 0.5], 0.5),
        ([0.1, 0.2, np.nan, np.nan], (0 + 0 + 1 / 3 + 1 / 2) / 4),
    ],
)
def test_cases_by_hand(score, area):
    assert risk_coverage_area(np.array(score), LOSS) == pytest.approx(area)


def test_no_rows_have_no_area():
    assert np.isnan(risk_coverage_area(np.array([]), np.array([])))
