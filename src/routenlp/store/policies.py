"""Policies in the artefact store: taken apart on writing, built again from their parts on reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from routenlp.cascade.committing import Committing
from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.first_by_router import FirstByRouter
from routenlp.cascade.per_task import RulePerTask
from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import FirstAnswer, ThresholdCascade
from routenlp.conformal.certificate import from_json
from routenlp.contracts import Encoder, Router, Scorer, StopRule
from routenlp.errors import ArtefactError
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.router.estimators import estimator_from_parts
from routenlp.router.exploration import ExploringRouter
from routenlp.router.learned import LearnedRouter
from routenlp.router.per_task import RouterPerTask
from routenlp.scoring.learned import ScorePerTask
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.store import artefacts
from routenlp.types import Parts, Task


def _threshold_cascade(parts: Parts) -> ThresholdCascade:
    meta: Any = parts.meta
    return ThresholdCascade(tuple(meta["tiers"]), meta["thresholds"])


STOP_RULES: Mapping[str, Callable[[Parts], StopRule]] = {
    "stop_rule/first_answer": lambda _: FirstAnswer(),
    "stop_rule/threshold_cascade": _threshold_cascade,
    ContinuationRule.KIND: ContinuationRule.from_parts,
    FirstByRouter.KIND: lambda parts: FirstByRouter.from_parts(parts, lambda inner: STOP_RULES[inner.kind](inner)),
    Committing.KIND: lambda parts: Committing.from_parts(parts, lambda inner: STOP_RULES[inner.kind](inner)),
    RulePerTask.KIND: lambda parts: RulePerTask.from_parts(parts, lambda inner: STOP_RULES[inner.kind](inner)),
}
AROUND: Mapping[str, Callable[[Parts, Callable[[Parts], Router]], Router]] = {
    ExploringRouter.KIND: ExploringRouter.from_parts,
    RouterPerTask.KIND: RouterPerTask.from_parts,
}
"""Routers that others stand inside of."""
SCORERS: Mapping[str, Callable[[Parts], Scorer]] = {
    "scorer/token_uncertainty": lambda _: TokenUncertainty(),
    ScorePerTask.KIND: ScorePerTask.from_parts,
}


def save(folder: Path, policy: Policy) -> None:
    """Write `policy` to `folder`, which must not exist."""
    artefacts.write(folder, policy.parts())


def load(folder: Path, encoder: Encoder) -> Policy:
    """The policy in `folder`; `encoder` must be the one its router was trained with.

    Raises `ArtefactError` when a byte was changed, a kind is unknown, or the encoder is another.
    """
    parts = artefacts.read(folder)
    try:
        frame: Any = parts["frame"].meta
        return Policy(
            portfolio=Portfolio(tuple(msgspec.convert(tier, Tier) for tier in frame["portfolio"])),
            tasks={task["name"]: msgspec.convert(task, Task) for task in frame["tasks"]},
            router=build_router(parts["router"], encoder, str(folder)),
            scorer=_known(SCORERS, parts["scorer"], folder)(parts["scorer"]),
            stop_rule=_known(STOP_RULES, parts["stop_rule"], folder)(parts["stop_rule"]),
            models=frame["models"],
            certificates={task: from_json(text) for task, text in frame["certificates"].items()},
        )
    except (KeyError, TypeError, msgspec.ValidationError) as exc:
        raise ArtefactError(str(folder), f"lacks a part ({exc})", "Save the policy again with this version.") from exc


def build_router(parts: Parts, encoder: Encoder, where: str) -> Router:
    """A router from its parts; `where` names them in errors.

    Raises `ArtefactError` for a kind that is not known, and for another encoder than it was trained with.
    """
    meta: Any = parts.meta
    if parts.kind in AROUND:
        return AROUND[parts.kind](parts, lambda inner: build_router(inner, encoder, where))
    if parts.kind != LearnedRouter.KIND:
        raise ArtefactError(where, f"has a router of kind {parts.kind!r}", "Update routenlp to read it.")
    if meta["encoder"] != encoder.name:
        raise ArtefactError(
            where,
            f"was made with encoder {meta['encoder']!r}, not {encoder.name!r}",
            "Pass the encoder it was trained with, or train the router again.",
        )
    return LearnedRouter.from_parts(parts, encoder, estimator_from_parts)


def _known(table: Mapping[str, Any], parts: Parts, folder: Path) -> Any:
    try:
        return table[parts.kind]
    except KeyError:
        raise ArtefactError(str(folder), f"has a part of kind {parts.kind!r}", "Update routenlp to read it.") from None
