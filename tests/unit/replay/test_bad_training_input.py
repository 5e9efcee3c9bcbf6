"""What a router does with texts and outcomes that nobody wished for."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.replay.backtest.made_recording import MODELS, Columns, changed, recording

from routenlp.conformal.verdict import Status
from routenlp.errors import DataError
from routenlp.replay.outcomes.folds import fold_outcomes
from routenlp.replay.outcomes.reading import read_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.text_readers import as_read, read_hashed
from routenlp.replay.trained import Trained, no_sentences, train
from routenlp.replay.wanted import Wanted, WantedOfTasks
from routenlp.types import Query

pytestmark = pytest.mark.slow
LONG = "liability clause " * 25_000
ODD = {
    "unseen language": "Wo ist meine Karte geblieben, und warum wurde sie abgelehnt?",
    "unseen script": "我的卡在哪里？ 왜 결제가 거절되었나요? أين بطاقتي؟",
    "code": "def f(x):\n\treturn {k: v for k, v in x.items() if v is not None}  # TODO\n" * 40,
    "one word": "card",
    "fifty thousand words": LONG,
    "one endless word": "x" * 300_000,
    "symbols": "¯\\_(ツ)_/¯ 🤷🏽‍♀️ \u200b\ufeff",
}


def trained(columns: Columns | OutcomeTable, tiers: tuple[str, ...] | None = MODELS) -> Trained:
    table = columns if isinstance(columns, OutcomeTable) else read_outcomes(columns, models=tiers)
    return train(table, WantedOfTasks(Wanted(serve_when=Status.EMPIRICAL)), tiers=tiers, calibrate_most=None, seed=0)


@pytest.fixture(scope="module")
def usual() -> Trained:
    return trained(recording(900))


@pytest.mark.parametrize("name", list(ODD))
def test_every_text_is_routed_by_finite_estimates(usual: Trained, name: str) -> None:
    route = usual.router.route(Query("q", "ask", ODD[name]))
    assert route.first in MODELS
    assert all(0.0 <= estimate.quality <= 1.0 for estimate in route.estimates)
    assert all(estimate.cost_usd is not None and estimate.cost_usd > 0.0 for estimate in route.estimates)


@pytest.mark.parametrize("name", list(ODD))
def test_it_can_be_trained_on_such_texts_and_serves_them_as_it_read_them(name: str) -> None:
    texts = [*(f"weather number {i}" for i in range(200)), *([ODD[name]] * 20)]
    read = read_hashed(as_read(texts), np.arange(len(texts)), 0, no_sentences)
    served = read.surface.beside(read.encoder.encode(as_read([ODD[name]])), as_read([ODD[name]]))
    np.testing.assert_allclose(served[0], read.features[-1], atol=2e-6)


def test_a_long_text_is_served_as_it_was_trained_on() -> None:
    columns = recording(600)
    odd = [f"{text} {LONG}" if i % 7 == 0 else text for i, text in enumerate(columns["query"])]
    by_id = dict(zip(columns["query_id"], odd, strict=True))
    found = trained(changed(columns, query=[by_id[q] for q in columns["query_id"]]))
    short, long = (found.router.route(Query("q", "ask", text)) for text in ("proof of a theorem", f"card {LONG}"))
    assert all(np.isfinite(estimate.quality) for estimate in (*short.estimates, *long.estimates))


def test_a_task_with_five_labels_is_pooled_and_estimated_near_the_rest() -> None:
    columns = recording(1_500)
    few = {f"q{i}" for i in range(5)}
    found = trained(changed(columns, task=["rare" if q in few else "ask" for q in columns["query_id"]]))
    assert found.tasks["rare"].walk.status is not Status.CERTIFIED
    route, usual = (found.router.route(Query("q", task, "weather of tomorrow number 3")) for task in ("rare", "ask"))
    for mine, rest in zip(route.estimates, usual.estimates, strict=True):
        assert abs(mine.quality - rest.quality) < 0.25


def test_a_task_that_no_fit_saw_is_named() -> None:
    columns = recording(900)
    table = read_outcomes(changed(columns, task="ask"))
    only = int(fold_outcomes(table, seed=0).test[0])
    lone = table.ids[only]
    found = trained(changed(columns, task=["lone" if q == lone else "ask" for q in columns["query_id"]]))
    assert "task lone: no outcomes, so what is known over all tasks." in found.notes
    assert found.tasks["lone"].walk.status is Status.UNCERTIFIED


def missing(columns: Columns, kept: list[bool]) -> Columns:
    """The top tier's rows only where `kept`, query by query."""
    rows = [i for i, model in enumerate(columns["model"]) if model != MODELS[-1] or kept[i // len(MODELS)]]
    return {name: [values[i] for i in rows] for name, values in columns.items()}


def test_a_tier_asked_on_selected_queries_is_refused_with_figures() -> None:
    """The top tier was asked where the cheap one had failed, as a cascade does."""
    columns = recording(2_000)
    small = columns["quality"][0::3]
    hard = [quality < 0.5 or i % 20 == 0 for i, quality in enumerate(small)]
    assert sum(hard) < 0.5 * len(hard)
    with pytest.raises(DataError, match=r"selected: .* has quality .* queries drawn at random.* ask large on such"):
        trained(missing(columns, hard))


def test_a_tier_asked_at_random_is_a_fair_sample() -> None:
    drawn = np.random.default_rng(3).random(2_000) < 0.4
    found = trained(missing(recording(2_000), drawn.tolist()))
    assert sum(found.sizes.values()) == int(drawn.sum())


def test_a_few_incomplete_queries_are_let_go_whatever_they_are() -> None:
    columns = recording(1_000)
    easy = [quality > 0.5 or i % 4 == 0 for i, quality in enumerate(columns["quality"][0::3])]
    found = trained(missing(columns, easy))
    assert sum(found.sizes.values()) == sum(easy)


def test_contradictory_repeats_of_a_row_are_left_out_and_counted() -> None:
    columns = recording(900)
    twice = {name: [*values, *values[:150]] for name, values in columns.items()}
    twice["quality"][-150:] = [1.0 - quality for quality in columns["quality"][:150]]
    table = read_outcomes(twice)
    assert [d.count for d in table.dropped if "more than once" in d.why] == [300]
    assert sum(trained(table).sizes.values()) == 850


def test_contradictory_outcomes_of_one_text_are_averaged() -> None:
    columns = recording(1_200)
    half = [float(int(q[1:]) % 2) for q in columns["query_id"]]
    quality = [q if model != MODELS[-1] else 1.0 for q, model in zip(half, columns["model"], strict=True)]
    found = trained(changed(columns, query=["the same"] * len(half), quality=quality, confidence=None, task="one"))
    small, *_, large = found.router.route(Query("q", "one", "the same")).estimates
    assert abs(small.quality - 0.5) < 0.1
    assert large.quality > 0.9


def test_blank_texts_alone_are_refused() -> None:
    with pytest.raises(DataError, match="no text to route by"):
        trained(changed(recording(300), query=" "))


def test_a_tier_without_any_quality_is_no_top_tier() -> None:
    columns = recording(600)
    none = [0.0 if model == MODELS[-1] else q for q, model in zip(columns["quality"], columns["model"], strict=True)]
    with pytest.raises(DataError, match="quality 0"):
        trained(changed(columns, quality=none))
