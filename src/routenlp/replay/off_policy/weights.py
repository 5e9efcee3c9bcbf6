"""Inverse propensity weights: how much more often the new policy would have acted so than the logged one did.

w_i = pi(a_i | x_i) / mu(a_i | x_i) has mean 1 where the logged policy could do all that the new one does (Horvitz &
Thompson 1952). A few huge weights make an estimate worthless, so they are clipped (Ionides 2008), and how often, and
how much that took, is always said. Divided by their mean they are self-normalised (Swaminathan & Joachims 2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from routenlp.errors import SettingsError
from routenlp.replay.off_policy.logged import LoggedQueries
from routenlp.types import FloatArray

CLIP = 200.0
"""Largest weight: no draw of at least 1 in 200 is clipped."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Of each logged query, and how far they can be trusted."""

    values: FloatArray
    """After clipping, shape (n,)."""
    effective_rows: float
    """n (E w)^2 / E w^2: about so many logged queries of the new policy itself would say as much (Kish 1965). Expected
    over the draw, from the propensities of all actions: of the weights that were drawn it would look best exactly where
    the rare large ones happen not to be among them."""
    share_clipped: float
    largest: float
    """Before clipping."""
    lost: float
    """What clipping took from the mean weight. If the regression errs by r on what was clipped, the estimate is wrong
    by `lost` times r."""

    @property
    def normalised(self) -> FloatArray:
        """Divided by their mean; all 0 where they all are."""
        mean = float(self.values.mean())
        return self.values / mean if mean else self.values


def inverse_propensity(logged: LoggedQueries, target: FloatArray, *, clip: float = CLIP) -> Weights:
    """Weights of a policy with these action probabilities, shape (n, K), none over `clip`."""
    if not clip >= 1.0:
        raise SettingsError("clip", f"is {clip}", "Give the largest weight, 1 or more")
    raw = target[np.arange(logged.n), logged.action] / logged.taken
    kept = np.minimum(raw, clip)
    rows = _effective_rows(logged.propensity, target, clip)
    return Weights(kept, rows, float((raw > clip).mean()), float(raw.max()), float((raw - kept).mean()))


def _effective_rows(propensity: FloatArray, target: FloatArray, clip: float) -> float:
    possible = np.minimum(target / np.where(propensity > 0.0, propensity, np.inf), clip)
    mean = float((propensity * possible).sum(axis=1).mean())
    square = float((propensity * possible**2).sum(axis=1).mean())
    return len(target) * mean**2 / square if square else 0.0


def without_support(logged: LoggedQueries, target: FloatArray) -> FloatArray:
    """Of each query, the probability that the policy acts as the logged one could not: shape (n,)."""
    return np.asarray(np.where(logged.propensity > 0.0, 0.0, target).sum(axis=1))
