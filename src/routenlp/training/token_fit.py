"""Fits how many tokens a query takes at each tier, and prices them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routenlp.router.reading import SurfaceFrame
from routenlp.router.token_costs import ReadTokens, TokenCosts
from routenlp.training.outcomes_present import Fitted
from routenlp.training.stack_fit import fit_stack
from routenlp.types import FloatArray, Vectors

LEAST_TOKENS = 0.2
"""Of a tier's mean: no answer is expected to be shorter than this part of it."""
FEWEST = 20
"""Answers with token counts that every tier needs."""
_MEMBERS = ("ridge", "landmarks")
_LEAST_MEAN = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """What n answers of each tier took, and what tokens cost. Matrices are (n, K), NaN where not known."""

    read: FloatArray
    """Input tokens."""
    written: FloatArray
    """Output tokens."""
    usd_per_token: FloatArray
    """Of input and of output, shape (2, K)."""
    surface: SurfaceFrame
    """Of the features."""

    @property
    def enough(self) -> bool:
        """Whether every tier has the counts to be fitted."""
        return all(
            (~np.isnan(counts)).sum(axis=0).min(initial=FEWEST) >= FEWEST for counts in (self.read, self.written)
        )


def fit_token_costs(
    tokens: TokenRows,
    features: Vectors,
    task: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    tasks: int,
    top_cost_usd: float,
    seed: int,
) -> Fitted[TokenCosts]:
    """Costs of the training rows from tokens by models that had not seen them; `tokens.enough` must hold."""
    mean = np.maximum(np.nanmean(tokens.written, axis=0), _LEAST_MEAN)
    low, high = np.full(len(mean), LEAST_TOKENS), np.full(len(mean), np.inf)
    targets = tokens.written / mean
    written = fit_stack(features, task, targets, groups, tasks=tasks, seed=seed, low=low, high=high, members=_MEMBERS)
    read = _read(tokens.read, tokens.surface, features)
    model = TokenCosts(read, written.model, mean, tokens.usd_per_token, top_cost_usd)
    return Fitted(model, model.priced(read.of(features), written.held_out * mean))


def _read(counts: FloatArray, surface: SurfaceFrame, features: Vectors) -> ReadTokens:
    """Straight lines over the number of characters, by least squares; two numbers a tier need no cross-fit."""
    characters = surface.characters(features)
    lines = [_line(characters[known], column[known]) for column in counts.T for known in [~np.isnan(column)]]
    fixed, slope = np.array(lines).T
    return ReadTokens(fixed, slope, float(characters.mean()), surface)


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Intercept and slope, neither negative."""
    spread = float(((x - x.mean()) ** 2).sum())
    slope = max(float(((x - x.mean()) * (y - y.mean())).sum()) / spread, 0.0) if spread > 0.0 else 0.0
    fixed = float(y.mean()) - slope * float(x.mean())
    if fixed >= 0.0:
        return fixed, slope
    return 0.0, float((x * y).sum() / (x * x).sum())
