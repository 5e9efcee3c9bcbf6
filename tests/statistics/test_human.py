"""Intervals of human evaluation over many draws from queries whose verdicts are known."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.conformal.binomial import lower_tail
from routenlp.replay.report.human import human_evaluation
from routenlp.store.sql.pairs import ReportedPair

WORLDS = 100
QUERIES = 6_000


def world(rng: np.random.Generator, *, part: float, raters: int):
    """Conversations of one to four queries that share a leaning; a draw of pairs, of which `part` were compared."""
    group = np.repeat(np.arange(QUERIES), rng.integers(1, 5, QUERIES))[:QUERIES]
    leaning = rng.normal(0.0, 0.8, QUERIES)[group]
    same = rng.random(QUERIES) < 0.25
    worth = np.where(same, 1.0, 1.0 / (1.0 + np.exp(-(0.9 + leaning))))
    chance = np.where(rng.random(QUERIES) < 0.5, 0.02, 0.06)
    drawn = rng.random(QUERIES) < chance
    pairs = []
    for i in np.flatnonzero(drawn).tolist():
        asked = not same[i] and rng.random() < part
        said = {f"r{k}": ("tie" if rng.random() < 0.4 else "win") if rng.random() < worth[i] else "loss"
                for k in range(raters)} if asked else {}  # fmt: skip
        first = {rater: bool(rng.random() < 0.5) for rater, word in said.items() if word != "tie"}
        pairs.append(
            ReportedPair(f"{i:032x}", "drafts", float(chance[i]), "top", bool(same[i]), f"g{group[i]}", said, first)
        )
    return pairs, float(worth.mean())


@pytest.mark.slow
@pytest.mark.parametrize(("part", "raters"), [(1.0, 1), (0.4, 1), (0.7, 3)])
def test_the_interval_of_as_good_or_better_holds_it(part: float, raters: int) -> None:
    rng = np.random.default_rng(7)
    held = fair = told = 0
    for seed in range(WORLDS):
        pairs, truth = world(rng, part=part, raters=raters)
        found = human_evaluation("drafts", pairs, "top", seed=seed)
        assert found.as_good.low is not None
        assert found.as_good.high is not None
        held += found.as_good.low <= truth <= found.as_good.high
        if found.first_chosen.low is not None and found.first_chosen.high is not None:
            told += 1
            fair += found.first_chosen.low <= 0.5 <= found.first_chosen.high
    for count, of in ((held, WORLDS), (fair, told)):
        assert lower_tail([count], [of], 0.94)[0] > 1e-3, (held, fair, told)
