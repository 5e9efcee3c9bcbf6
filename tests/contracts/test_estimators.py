"""What every estimator of the router promises: each kind alone, and their stack."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec

import numpy as np
import pytest
from tests.unit.graded_world import DIMENSIONS, TASKS, TIERS, bounds, graded_world

from routenlp.errors import ArtefactError, TrainingError
from routenlp.grading.preferences import PreferencePairs
from routenlp.router.estimators import MEMBERS, estimator_from_parts
from routenlp.store import artefacts
from routenlp.training.logistic_fit import log_loss
from routenlp.training.paper_network.fit import fit_paper_network
from routenlp.training.paper_network.settings import PaperNetworkSettings
from routenlp.training.preference_fit import fit_preferences
from routenlp.training.stack_fit import FITS, fit_stack
from routenlp.types import Parts


def fit_strengths(features, task, targets, groups, **arguments):
    """Without preferences: they have tests of their own."""
    none = np.zeros(0, dtype=np.int64)
    pairs = PreferencePairs(none, none, none, np.zeros(0), np.zeros(0))
    return fit_preferences(features, task, pairs, groups, graded=targets, **arguments)


EVERY = {**FITS, "stack": fit_stack, "strengths": fit_strengths}
KINDS = list(EVERY)
if find_spec("torch"):
    EVERY["paper_network"] = partial(fit_paper_network, settings=PaperNetworkSettings(epochs=8, rate=3e-3))
    KINDS.append(pytest.param("paper_network", marks=pytest.mark.slow))
every_kind = pytest.mark.parametrize("kind", KINDS)
train, fresh = graded_world(500, seed=1), graded_world(1500, seed=2)
ROUNDING = {"neighbours": 0.05}
"""Of stored rows, which may change places with others as near."""


def fit(kind, rows, quality=None, *, seed=0):
    values = rows.quality if quality is None else quality
    return EVERY[kind](*rows.arguments(values), tasks=TASKS, seed=seed, **bounds(values.shape[1]))


def loss(predicted, quality):
    return float(np.nanmean(log_loss(predicted, quality)))


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    return request.param, fit(request.param, train)


def test_estimates_are_qualities_of_every_tier(fitted):
    found = fitted[1].model.estimate(fresh.features, fresh.task)
    assert found.shape == (1500, TIERS)
    assert found.dtype == np.float64
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_it_beats_the_tier_mean_on_held_out_and_on_unseen_rows(fitted):
    mean = train.quality.mean(axis=0)
    assert loss(fitted[1].held_out, train.quality) < loss(np.tile(mean, (500, 1)), train.quality)
    found = fitted[1].model.estimate(fresh.features, fresh.task)
    assert loss(found, fresh.quality) < loss(np.tile(mean, (1500, 1)), fresh.quality)


def test_held_out_estimates_err_as_on_unseen_rows(fitted):
    unseen = loss(fitted[1].model.estimate(fresh.features, fresh.task), fresh.quality)
    assert loss(fitted[1].held_out, train.quality) == pytest.approx(unseen, abs=0.06)


def test_one_query_is_estimated_as_among_many(fitted):
    many = fitted[1].model.estimate(fresh.features[:20], fresh.task[:20])
    alone = [fitted[1].model.estimate(fresh.features[i : i + 1], fresh.task[i : i + 1])[0] for i in range(20)]
    assert np.allclose(many, alone, atol=1e-5)


def test_odd_features_are_estimated_too(fitted):
    odd = np.stack([np.zeros(DIMENSIONS), np.full(DIMENSIONS, 1e4), -np.full(DIMENSIONS, 1e4)]).astype(np.float32)
    found = fitted[1].model.estimate(odd, np.array([0, 1, 4]))
    assert ((found >= 0.0) & (found <= 1.0)).all()


def test_no_queries_give_no_estimates(fitted):
    nothing = fitted[1].model.estimate(np.zeros((0, DIMENSIONS), dtype=np.float32), np.zeros(0, dtype=np.int64))
    assert nothing.shape == (0, TIERS)


def test_it_is_stored_and_read_as_it_was(fitted, tmp_path):
    kind, model = fitted[0], fitted[1].model
    artefacts.write(tmp_path / "stored", {"estimator": model.parts()})
    again = estimator_from_parts(artefacts.read(tmp_path / "stored")["estimator"])
    before, after = (m.estimate(fresh.features, fresh.task) for m in (model, again))
    assert np.abs(before - after).max() <= ROUNDING.get(kind, 0.0)


@every_kind
def test_the_same_seed_gives_the_same_bytes(kind):
    few = graded_world(120, seed=3)
    first, second = (fit(kind, few, seed=7) for _ in range(2))
    assert np.array_equal(first.held_out, second.held_out)
    arrays, others = first.model.parts().arrays, second.model.parts().arrays
    assert {name: a.tobytes() for name, a in arrays.items()} == {name: a.tobytes() for name, a in others.items()}


@every_kind
def test_missing_outcomes_are_left_out(kind):
    some = train.quality.copy()
    some[np.random.default_rng(0).uniform(size=500) < 0.6, 1] = np.nan
    sparse = fit(kind, train, some)
    assert np.isfinite(sparse.held_out).all()
    found = sparse.model.estimate(fresh.features, fresh.task)
    assert loss(found, fresh.quality) < loss(np.tile(train.quality.mean(axis=0), (1500, 1)), fresh.quality)


@every_kind
def test_what_one_tier_lacks_moves_no_other_far(kind):
    some = train.quality.copy()
    some[train.quality[:, 0] == 1.0, 2] = np.nan
    whole, sparse = (fit(kind, train, quality).held_out[:, 0] for quality in (train.quality, some))
    assert np.abs(whole - sparse).mean() < 0.05


@every_kind
def test_graded_quality_is_learned(kind):
    found = fit(kind, train, train.chance).model.estimate(fresh.features, fresh.task)
    flat = np.tile(train.chance.mean(axis=0), (1500, 1))
    assert ((found - fresh.chance) ** 2).mean() < 0.75 * ((flat - fresh.chance) ** 2).mean()


@every_kind
def test_duplicates_that_contradict_each_other_are_open(kind):
    quality = np.tile(np.array([0.0, 1.0]), 50)[:, None].repeat(TIERS, axis=1)
    features, task = np.repeat(train.features[:1], 100, axis=0), np.full(100, 2)
    found = EVERY[kind](features, task, quality, np.arange(100), tasks=TASKS, seed=0, **bounds()).model
    assert np.allclose(found.estimate(features[:1], task[:1]), 0.5, atol=0.05)


@every_kind
def test_a_group_is_held_out_as_a_whole(kind):
    """Copies of one query with one answer of pure chance: who sees a copy knows the answer."""
    rng = np.random.default_rng(5)
    features = np.repeat(rng.normal(size=(60, DIMENSIONS)), 6, axis=0).astype(np.float32)
    quality = np.repeat(rng.integers(0, 2, (60, 1)), 6, axis=0).astype(float)
    groups, task = np.repeat(np.arange(60), 6), np.zeros(360, dtype=np.int64)
    held_out = EVERY[kind](features, task, quality, groups, tasks=1, seed=0, **bounds(1)).held_out
    known = np.corrcoef(held_out[:, 0], quality[:, 0])[0, 1] if np.ptp(held_out) > 0.0 else 0.0
    assert known < 0.4


@every_kind
def test_an_answer_that_never_changes_is_learned(kind):
    same = np.ones((60, 2))
    few = graded_world(60, seed=4)
    assert (fit(kind, few, same).model.estimate(few.features, few.task) > 0.9).all()


@every_kind
def test_too_few_rows_are_refused(kind):
    with pytest.raises(TrainingError, match=r"has 9 (rows|outcomes).*Give|Record 10"):
        fit(kind, graded_world(9, seed=0))


@every_kind
def test_a_tier_without_outcomes_is_refused(kind):
    nothing = train.quality.copy()
    nothing[:, 1] = np.nan
    with pytest.raises(TrainingError, match=r"tier 2: has (0|no) outcome"):
        fit(kind, train, nothing)


def test_every_kind_can_be_stored():
    assert {fit(kind, graded_world(40, seed=6)).model.KIND for kind in FITS} == set(MEMBERS)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ArtefactError, match="is of kind 'estimates/oracle'"):
        estimator_from_parts(Parts("estimates/oracle", {}, {}))
