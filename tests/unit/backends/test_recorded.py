"""Replayed human labels: free of probabilities, priced like any tier, with a modelled latency."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.backends.recorded import RecordedBackend, modelled_latency_s
from routenlp.errors import BackendError
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Tier
from routenlp.types import Query

TOP = Tier("human-labels", "recorded", Price(8000, 8000))


def test_it_replays_by_id_and_charges_tokens_read_and_written():
    answer = RecordedBackend(TOP, {"q": "two words"}).answer(Query("q", "t", "one two three"))
    assert (answer.text, answer.token_probs, answer.tier) == ("two words", None, "human-labels")
    assert answer.cost_usd == pytest.approx(5 * 8000 / 1e6)


def test_what_was_not_recorded_is_an_error_not_an_empty_answer():
    with pytest.raises(BackendError, match="'nope'"):
        RecordedBackend(TOP, {}).answer(Query("nope", "t", "x"))


def test_the_latency_model_has_the_papers_p99_and_is_fixed_by_the_id():
    draws = np.array([modelled_latency_s(str(i)) for i in range(20_000)])
    assert np.median(draws) == pytest.approx(0.8, rel=0.02)
    assert np.quantile(draws, 0.99) == pytest.approx(1.847, rel=0.05)
    assert modelled_latency_s("7") == draws[7]
