"""A changed model behind an endpoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from routenlp.drift.upstream import LEVEL, Probe, Stability, reasons_of_change
from routenlp.errors import DataError

ROUND = tuple(Probe(f"p{i}", "m-1", f"hash{i}", 10) for i in range(20))
STEADY = Stability(same=38, pairs=40)


def test_the_same_answers_from_the_same_name_are_no_change():
    assert reasons_of_change(ROUND, ROUND, STEADY) == ()


def test_another_name_is_a_change_and_says_which():
    renamed = [replace(probe, reported_model="m-2") for probe in ROUND]
    assert reasons_of_change(ROUND, renamed, STEADY) == ("it calls itself m-2 and no longer m-1",)


def test_a_name_that_is_no_longer_given_says_nothing():
    silent = [replace(probe, reported_model=None) for probe in ROUND]
    assert reasons_of_change(ROUND, silent, STEADY) == ()


def test_other_answers_under_the_same_name_are_a_change():
    other = [replace(probe, answer_sha256="x") for probe in ROUND]
    assert reasons_of_change(ROUND, other, STEADY) == ("only 0 of 20 probes have the same answer as before",)


def test_an_endpoint_that_seldom_repeats_itself_is_not_accused_of_it():
    other = [replace(probe, answer_sha256="x") for probe in ROUND]
    assert reasons_of_change(ROUND, other, Stability(same=2, pairs=40)) == ()


def test_an_unchanged_endpoint_is_accused_no_more_often_than_promised():
    rng = np.random.default_rng(0)
    share = STEADY.least_share
    accused = 0
    for repeats in rng.random((4_000, len(ROUND))) < share:
        now = [p if again else replace(p, answer_sha256="x") for p, again in zip(ROUND, repeats, strict=True)]
        accused += bool(reasons_of_change(ROUND, now, STEADY))
    assert accused <= 4_000 * LEVEL + 4 * (4_000 * LEVEL) ** 0.5


def test_only_common_prompts_are_compared_and_none_is_an_error():
    with pytest.raises(DataError, match="no prompt in common"):
        reasons_of_change(ROUND, [Probe("new", "m-1", "h", 1)], STEADY)
    assert reasons_of_change(ROUND, [*ROUND[:5], Probe("new", "m-1", "h", 1)], STEADY) == ()
