"""The baselines by the names that reports use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from routenlp.replay.backtest.baselines.automix import fit_automix
from routenlp.replay.backtest.baselines.cascade_routing import fit_cascade_routing
from routenlp.replay.backtest.baselines.frugalgpt import fit_frugalgpt
from routenlp.replay.backtest.baselines.hybrid_llm import fit_hybrid_llm
from routenlp.replay.backtest.baselines.kmeans import fit_kmeans
from routenlp.replay.backtest.baselines.knn import fit_knn
from routenlp.replay.backtest.baselines.oracle import fit_oracle
from routenlp.replay.backtest.baselines.paper import fit_paper
from routenlp.replay.backtest.baselines.random_mix import fit_random_mix
from routenlp.replay.backtest.baselines.routellm_mf import fit_routellm_mf
from routenlp.replay.backtest.rows import Ladder, Rows


class Fit(Protocol):
    """How every baseline is fitted."""

    def __call__(self, train: Rows, *, seed: int) -> Ladder:
        """A ladder that depends on `train` and `seed` alone.

        Raises `TrainingError` where the rows lack what the baseline needs: a confidence, or any row at all.
        """
        ...


BASELINES: Mapping[str, Fit] = MappingProxyType(
    {
        "random_mix": fit_random_mix,
        "paper": fit_paper,
        "frugalgpt": fit_frugalgpt,
        "hybrid_llm": fit_hybrid_llm,
        "routellm_mf": fit_routellm_mf,
        "automix": fit_automix,
        "knn": fit_knn,
        "kmeans": fit_kmeans,
        "cascade_routing": fit_cascade_routing,
        "oracle": fit_oracle,
    }
)
"""In the order of the report. `always.always` gives one more system for each tier."""
