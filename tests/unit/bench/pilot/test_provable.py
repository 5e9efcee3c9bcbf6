"""A task with too few calibration groups is served by what was seen; nothing but their number is looked at."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.bench.pilot.small import examples, folds

from routenlp.bench.pilot.provable import provable
from routenlp.types import CalibrationFold


def test_under_the_least_number_of_groups_nothing_is_proved_and_what_was_seen_serves():
    found = provable(folds(), eps=0.03, delta=0.1)
    assert (found.groups, found.least) == (20, 87)
    assert found.serve_when == "empirical"


def test_enough_groups_ask_for_a_proof():
    many = replace(folds(), calibrate=CalibrationFold("generated_intent", examples("calibrate", 2 * 87)))
    assert provable(many, eps=0.03, delta=0.1).serve_when == "asymptotic"
