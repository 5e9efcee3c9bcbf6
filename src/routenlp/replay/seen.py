"""EMPIRICAL certificates: what a policy reached on rows that no training saw, with nothing proved about new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from routenlp.cascade.policy import Policy
from routenlp.conformal.certificate import Certificate
from routenlp.conformal.verdict import Method, Status
from routenlp.replay.recorded import Recorded
from routenlp.replay.serve import lookups, serve
from routenlp.types import Query


@dataclass(frozen=True, slots=True)
class Seen:
    """One task's rows: the queries, every tier's answer to them, and the quality that may be lost."""

    queries: Sequence[Query]
    answers: Recorded
    eps: float


def with_seen(policy: Policy, rows: Mapping[str, Seen], issued_at: datetime) -> Policy:
    """The same policy with a certificate of each task in `rows`, which names the quality ratio it has there."""
    found = {task: _certificate(policy, task, seen, issued_at) for task, seen in rows.items()}
    return replace(policy, certificates={**policy.certificates, **found})


def quality_ratio(policy: Policy, seen: Seen) -> float | None:
    """Sum of the qualities that `policy` returns over the top tier's; None where the top tier's are all 0."""
    backends, position = lookups(seen.answers), {tier: k for k, tier in enumerate(seen.answers.tiers)}
    returned = [position[serve(policy, backends, query).answer.tier] for query in seen.queries]
    kept = seen.answers.quality[np.arange(len(returned)), returned].sum()
    top = seen.answers.quality[:, -1].sum()
    return float(kept / top) if top > 0.0 else None


def _certificate(policy: Policy, task: str, seen: Seen, issued_at: datetime) -> Certificate:
    return Certificate(
        task=task,
        rule="quality_ratio",
        target=seen.eps,
        delta=1.0,
        n=seen.answers.n,
        groups=len(set(seen.answers.groups)),
        method=Method.POINT,
        status=Status.EMPIRICAL,
        bound=None,
        estimate=quality_ratio(policy, seen),
        proved_for=policy.proved_for(),
        issued_at=issued_at,
    )
