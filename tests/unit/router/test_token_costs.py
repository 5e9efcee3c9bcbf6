"""Expected costs from expected tokens: another price needs no new outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.router.estimators import estimator_from_parts
from routenlp.router.one_row import TOLERANCE, one_row
from routenlp.router.reading import SurfaceFrame, frame_surface, surface
from routenlp.router.token_costs import TokenCosts
from routenlp.training.token_fit import TokenRows, fit_token_costs
from routenlp.types import FloatArray, Vectors

USD = np.array([[1e-6, 10e-6], [4e-6, 40e-6]])
"""Of input and output, two tiers."""


def world(n: int = 800, seed: int = 0) -> tuple[list[str], Vectors, SurfaceFrame, FloatArray, FloatArray]:
    """Texts of which a word says how long the answers get, in the frame of those of seed 0."""
    rng = np.random.default_rng(seed)
    verbose = rng.random(n) < 0.5
    texts = [f"{'why ' if v else 'who '}{'x' * int(rng.integers(5, 400))}" for v in verbose]
    frame = frame_surface(np.array([surface(text) for text in texts])) if not seed else world()[2]
    features = frame.beside(np.where(verbose, 1.0, -1.0)[:, None].astype(np.float32), texts)
    length = np.array([len(text) for text in texts], dtype=np.float64)
    read = np.stack([20.0 + length / 4.0, 50.0 + length / 4.0], axis=1)
    written = np.where(verbose, 400.0, 40.0)[:, None] * np.array([1.0, 1.5]) * rng.lognormal(0.0, 0.2, (n, 2))
    return texts, features, frame, read, written


def fitted(usd: FloatArray = USD) -> TokenCosts:
    _, features, frame, read, written = world()
    task, groups = np.zeros(len(features), dtype=np.int64), np.arange(len(features))
    tokens = TokenRows(read, written, usd, frame)
    top = float((read[:, -1] * usd[0, -1] + written[:, -1] * usd[1, -1]).mean())
    return fit_token_costs(tokens, features, task, groups, tasks=1, top_cost_usd=top, seed=0).model


def test_it_knows_more_than_each_tiers_mean_on_unseen_queries() -> None:
    model = fitted()
    _, features, _, read, written = world(seed=1)
    task = np.zeros(len(features), dtype=np.int64)
    cost = (read * USD[0] + written * USD[1]) / model.top_cost_usd
    found = model.estimate(features, task)
    assert (((found - cost) ** 2).mean(axis=0) < 0.2 * cost.var(axis=0)).all()


def test_input_tokens_follow_the_number_of_characters() -> None:
    texts, features, _, read, _ = world(seed=2)
    np.testing.assert_allclose(fitted().read.of(features), read, rtol=1e-3)
    assert len(texts) == len(read)


def test_other_prices_need_no_new_outcomes() -> None:
    model, other = fitted(), fitted(usd=USD * np.array([[3.0, 1.0], [0.5, 2.0]]))
    _, features, _, _, _ = world(seed=1)
    task = np.zeros(len(features), dtype=np.int64)
    moved = model.at_prices(other.usd_per_token)
    np.testing.assert_allclose(moved.estimate(features, task), other.estimate(features, task), rtol=0.02)
    np.testing.assert_allclose(moved.mean[-1], 1.0, rtol=0.02)


def test_the_same_prices_change_nothing() -> None:
    model = fitted()
    assert model.at_prices(USD).top_cost_usd == model.top_cost_usd


def test_it_is_stored_and_built_again() -> None:
    model = fitted()
    _, features, _, _, _ = world(seed=1)
    task = np.zeros(len(features), dtype=np.int64)
    again = estimator_from_parts(model.parts())
    np.testing.assert_array_equal(again.estimate(features, task), model.estimate(features, task))


def test_one_query_costs_what_it_costs_among_others() -> None:
    model = fitted()
    _, features, _, _, _ = world(seed=1)
    task = np.zeros(len(features), dtype=np.int64)
    together, route = model.estimate(features, task), one_row([model.written, model])
    for i in range(20):
        written, cost = route(features[i], 0)
        np.testing.assert_allclose(cost, together[i], atol=TOLERANCE)
        np.testing.assert_allclose(written, model.written.estimate(features[i : i + 1], task[:1])[0], atol=TOLERANCE)


def test_answers_without_counts_are_left_out() -> None:
    _, features, frame, read, written = world()
    task, groups = np.zeros(len(features), dtype=np.int64), np.arange(len(features))
    read[::3, 0] = np.nan
    written[::4, 1] = np.nan
    tokens = TokenRows(read, written, USD, frame)
    assert tokens.enough
    found = fit_token_costs(tokens, features, task, groups, tasks=1, top_cost_usd=1.0, seed=0)
    assert np.isfinite(found.held_out).all()


@pytest.mark.parametrize("counts", [0, 19])
def test_too_few_counts_are_said_to_be_too_few(counts: int) -> None:
    _, _, frame, read, written = world()
    read[counts:, 0] = np.nan
    assert not TokenRows(read, written, USD, frame).enough
