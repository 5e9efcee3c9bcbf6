"""Hybrid LLM: the small model where it is likely to be no worse than the large one by more than a tolerance.

Ding, Mallick, Wang, Sim, Mukherjee, Ruhle, Lakshmanan, Awadallah 2024: Hybrid LLM: Cost-Efficient and Quality-Aware
Query Routing. ICLR 2024, arXiv 2404.14618.

The router with transformed labels, r_trans: y = 1[q_small >= q_large - t], with the t at which labels differ most from
each other, sum over pairs of |y - y'|. Adapted: a logistic layer on fixed features for the fine-tuned DeBERTa; one
recorded answer of each model for ten sampled ones, so that a label is 0 or 1 where theirs is a share; of the cheaper
tiers the one that makes the best pair with the top tier on held-out training rows.
"""

from __future__ import annotations

import numpy as np

from routenlp.replay.backtest.baselines.inner_folds import inner_folds
from routenlp.replay.backtest.baselines.inputs import fit_inputs
from routenlp.replay.backtest.baselines.knobs import KnobLadder
from routenlp.replay.backtest.baselines.linear_scores import fit_linear, logistic_loss
from routenlp.replay.backtest.baselines.pairs import best_weak_tier, pair_ladder
from routenlp.replay.backtest.rows import Rows
from routenlp.types import FloatArray

TOLERANCES = np.linspace(0.0, 0.95, 20)


def fit_hybrid_llm(train: Rows, *, seed: int) -> KnobLadder[FloatArray, float]:
    """Cut-offs on the probability that a cheaper tier is good enough."""
    folds = inner_folds(train, seed=seed)
    inputs = fit_inputs(train)
    labels = np.stack(
        [no_worse(train.quality[:, k], train.quality[:, -1]) for k in range(len(train.tiers) - 1)], axis=1
    )
    fitted = fit_linear(inputs.matrix(train), logistic_loss(labels), labels.shape[1], folds)
    held_out = fitted.held_out.astype(np.float64)
    weak = best_weak_tier(train, list(held_out.T))

    def score(rows: Rows) -> FloatArray:
        return fitted.scores(inputs.matrix(rows))[:, weak].astype(np.float64)

    return pair_ladder("hybrid_llm", weak, held_out[:, weak], score)


def no_worse(small: FloatArray, large: FloatArray) -> FloatArray:
    """Labels y = 1[small >= large - t] at the t where they tell most: where the share of ones is closest to half."""
    labels = small[:, None] >= large[:, None] - TOLERANCES
    share = labels.mean(axis=0)
    return np.asarray(labels[:, int(np.argmax(share * (1.0 - share)))], dtype=np.float64)
