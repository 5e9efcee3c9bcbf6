"""Every kind of estimator by its stored name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from routenlp.contracts import Estimator
from routenlp.errors import ArtefactError
from routenlp.router.clusters import ClusterEstimates
from routenlp.router.factors import FactorEstimates
from routenlp.router.landmarks import LandmarkEstimates
from routenlp.router.latency import LatencyEstimates
from routenlp.router.logistic import LogisticEstimates
from routenlp.router.mlp import MlpEstimates
from routenlp.router.neighbours import NeighbourEstimates
from routenlp.router.paper_network import PaperNetwork
from routenlp.router.ridge import RidgeEstimates
from routenlp.router.stack import StackedEstimates
from routenlp.router.strengths import TierStrengths
from routenlp.router.token_costs import TokenCosts
from routenlp.types import Parts

MEMBERS: Mapping[str, Callable[[Parts], Estimator]] = MappingProxyType(
    {
        RidgeEstimates.KIND: RidgeEstimates.from_parts,
        LogisticEstimates.KIND: LogisticEstimates.from_parts,
        LandmarkEstimates.KIND: LandmarkEstimates.from_parts,
        NeighbourEstimates.KIND: NeighbourEstimates.from_parts,
        ClusterEstimates.KIND: ClusterEstimates.from_parts,
        MlpEstimates.KIND: MlpEstimates.from_parts,
        FactorEstimates.KIND: FactorEstimates.from_parts,
    }
)
"""What a stack may be made of."""

BESIDE: Mapping[str, Callable[[Parts], Estimator]] = MappingProxyType(
    {PaperNetwork.KIND: PaperNetwork.from_parts, TierStrengths.KIND: TierStrengths.from_parts}
)
"""Fitted on more than outcomes, so that no stack's own fit makes them."""


def estimator_from_parts(parts: Parts) -> Estimator:
    """The inverse of an estimator's `parts`. Raises `ArtefactError` for a kind that there is not."""
    if parts.kind == StackedEstimates.KIND:
        return StackedEstimates.from_parts(parts, estimator_from_parts)
    if parts.kind == TokenCosts.KIND:
        return TokenCosts.from_parts(parts, estimator_from_parts)
    if parts.kind == LatencyEstimates.KIND:
        return LatencyEstimates.from_parts(parts, estimator_from_parts)
    known = {**MEMBERS, **BESIDE}
    if parts.kind not in known:
        raise ArtefactError(
            "estimator", f"is of kind {parts.kind!r}", f"Known: {', '.join(sorted(known))}, stacks, token costs"
        )
    return known[parts.kind](parts)
