"""The learned score is fitted on training rows, chosen where it ranks better, and serves the machine alike."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.errors import TrainingError
from routenlp.scoring.coverage import risk_coverage_area
from routenlp.scoring.features import UNCERTAINTIES, uncertainties
from routenlp.scoring.learned import LEARNED, ScoreInputs, ScorePerTask
from routenlp.training.score import fit_score
from routenlp.types import Answer, Estimate, Route

TASKS, TIERS = ("plain", "deep"), ("small", "top")


def made(n: int, seed: int):
    """In `plain` the mean says all there is to know; in `deep` the router's estimate does."""
    rng = np.random.default_rng(seed)
    task = rng.integers(0, 2, n)
    sure, estimate = rng.uniform(size=(2, n, 2))
    quality = (rng.uniform(size=(n, 2)) < np.where(task[:, None] == 0, sure, estimate)).astype(float)
    noise = rng.uniform(size=(n, 2, 2))
    uncertainty = np.concatenate([1.0 - sure[:, :, None], noise], axis=2)
    return ScoreInputs(task, uncertainty, estimate, np.full((n, 2), np.nan)), quality, np.arange(n)


@pytest.fixture(scope="module")
def fitted():
    return fit_score(*made(3000, 0), tasks=2, seed=0)


def test_each_task_is_served_by_the_score_that_ranks_its_answers_best(fitted):
    assert fitted.chosen[1] == LEARNED
    assert fitted.chosen[0] in ("mean", LEARNED)
    assert fitted.areas[1, -1] < fitted.areas[1, 0] - 0.05


def test_it_ranks_unseen_answers_as_well_as_it_was_held_out(fitted):
    inputs, quality, _ = made(3000, 1)
    deep = inputs.task == 1
    unseen = risk_coverage_area(fitted.learned.scores(inputs)[deep, 0], 1.0 - quality[deep, 0])
    assert unseen == pytest.approx(fitted.areas[1, -1], abs=0.03)


def test_it_is_calibrated(fitted):
    inputs, quality, _ = made(20_000, 2)
    score = fitted.learned.scores(inputs)[:, 0]
    for low in (0.1, 0.4, 0.7):
        near = (score >= low) & (score < low + 0.2)
        assert 1.0 - quality[near, 0].mean() == pytest.approx(score[near].mean(), abs=0.05)


def test_scores_lie_between_0_and_1_and_are_absent_without_uncertainty(fitted):
    inputs, _, _ = made(50, 3)
    inputs.uncertainty[0] = np.nan
    inputs.uncertainty[1, 0, 1] = np.nan
    scores = fitted.learned.scores(inputs)
    assert np.isnan(scores[0]).all()
    assert ((scores[1:] >= 0.0) & (scores[1:] <= 1.0)).all()


def test_what_serves_says_what_was_fitted(fitted):
    scorer = fitted.scorer(TASKS, TIERS)
    answer = Answer("small", "a", (0.9, 0.4), 5, 2, 0.0, 0.0)
    route = Route("deep", "small", (Estimate("small", 0.7), Estimate("top", 0.8)), "")
    uncertainty = np.full((1, 2, len(UNCERTAINTIES)), np.nan)
    uncertainty[0, 0] = uncertainties(answer.token_probs)
    inputs = ScoreInputs(np.array([1]), uncertainty, np.array([[0.7, 0.8]]), np.array([[2.0, 2.0]]))
    assert scorer.score(answer, route) == fitted.learned.scores(inputs)[0, 0]


def test_without_a_route_or_a_known_task_it_is_the_papers_mean(fitted):
    scorer = fitted.scorer(TASKS, TIERS)
    answer = Answer("small", "a", (0.9, 0.4), 5, 2, 0.0, 0.0)
    assert scorer.score(answer) == pytest.approx(0.35)
    assert scorer.score(answer, Route("poetry", "small", (), "")) == pytest.approx(0.35)
    silent = Answer("small", "a", None, 5, 2, 0.0, 0.0)
    assert scorer.score(silent, Route("deep", "small", (), "")) is None


def test_it_comes_back_from_its_parts(fitted):
    scorer = fitted.scorer(TASKS, TIERS)
    back = ScorePerTask.from_parts(scorer.parts())
    answer = Answer("small", "a", (0.9, 0.4), 5, 2, 0.0, 0.0)
    route = Route("deep", "small", (Estimate("small", 0.7),), "")
    assert back.score(answer, route) == scorer.score(answer, route)
    assert back.parts().meta == scorer.parts().meta


def test_few_rows_give_one_score_for_all():
    few = fit_score(*made(20, 4), tasks=2, seed=0)
    assert np.ptp(few.learned.scores(made(50, 5)[0])[:, 0]) == 0.0


def test_no_rows_and_unnamed_measures_are_refused():
    inputs, quality, groups = made(20, 6)
    with pytest.raises(TrainingError, match="no rows"):
        fit_score(*made(0, 6), tasks=2, seed=0)
    with pytest.raises(TrainingError, match="has 3 measures of uncertainty, and 1 names"):
        fit_score(inputs, quality, groups, tasks=2, seed=0, measures=("mean",))
