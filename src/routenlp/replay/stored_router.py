"""What `routenlp train` writes: an encoder, the router on it, the stop rule behind, and what was proved of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from routenlp.backends.encoders.minilm import MiniLM
from routenlp.backends.encoders.stored import Weights, encoder_from_parts
from routenlp.cascade.commit import CommitRule
from routenlp.cascade.committing import Committing
from routenlp.cascade.continuation import ContinuationRule
from routenlp.conformal.certificate import Certificate, from_json, to_json
from routenlp.contracts import Encoder, Router, StoredEncoder
from routenlp.errors import ArtefactError, MissingData
from routenlp.portfolio.prices import Price
from routenlp.replay.rungs import PART as LADDER_PART
from routenlp.replay.rungs import KeptLadder, as_part
from routenlp.replay.trained import usd_per_token
from routenlp.router.learned import LearnedRouter
from routenlp.router.token_costs import TokenCosts
from routenlp.store import artefacts
from routenlp.store.policies import build_router
from routenlp.types import Parts


@dataclass(frozen=True, slots=True, eq=False)
class StoredRouter:
    """A router and its stop rule, as they were trained."""

    encoder: Encoder
    router: Router
    stop_rule: ContinuationRule
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    """By task. They hold for this router and rule, and for whatever else they are bound to."""
    commits: Mapping[str, Mapping[str, CommitRule]] = field(default_factory=dict)
    """Of streams, by task and tier: what `routenlp commit` added."""

    def at_prices(self, prices: Sequence[Price]) -> StoredRouter:
        """The same with expected costs at these prices, tier by tier, where costs are expected from tokens.

        Where they were learned as recorded, nothing changes.
        """
        router = self.router
        if not isinstance(router, LearnedRouter) or not isinstance(router.cost, TokenCosts):
            return self
        cost = router.cost.at_prices(usd_per_token(prices))
        top = cost.top_cost_usd
        priced = replace(router, cost=cost, top_cost_usd=top)
        return replace(
            self,
            router=priced,
            stop_rule=replace(self.stop_rule, mean_cost_usd=cost.mean * top, top_cost_usd=top),
        )


def no_weights() -> MiniLM:
    """Where no sentence encoder was given."""
    raise MissingData("encoder", "the router reads with MiniLM, and no weights were given", "Pass `weights`")


def save(
    folder: Path,
    encoder: StoredEncoder,
    router: Router,
    stop_rule: ContinuationRule,
    certificates: Mapping[str, Certificate] | None = None,
    ladders: Mapping[str, KeptLadder] | None = None,
) -> str:
    """Write to `folder`, which must not exist; returns the artefact's version. `ladders`: by task."""
    proved = {task: to_json(certificate) for task, certificate in sorted((certificates or {}).items())}
    parts = {
        "encoder": encoder.parts(),
        "router": router.parts(),
        "stop_rule": stop_rule.parts(),
        "proof": Parts("proof/certificates", {}, {"certificates": proved}),
    }
    if ladders:
        parts[LADDER_PART] = as_part(ladders)
    return artefacts.write(folder, parts)


def load(
    folder: Path,
    weights: Weights = no_weights,
    *,
    wrap: Callable[[Encoder], Encoder] = lambda encoder: encoder,
) -> StoredRouter:
    """What `save` wrote, on its encoder as `wrap` returns it; `weights` is asked where it is the sentence encoder.

    Raises `ArtefactError` when a byte was changed or a part is missing.
    """
    parts = artefacts.read(folder)
    try:
        encoder = wrap(encoder_from_parts(parts["encoder"], weights))
        router = build_router(parts["router"], encoder, str(folder))
        proved: Any = parts["proof"].meta["certificates"]
        certificates = {task: from_json(text) for task, text in proved.items()}
        rule, commits = stored_rule(parts["stop_rule"])
        return StoredRouter(encoder, router, rule, certificates, commits)
    except (KeyError, ValueError) as exc:
        raise ArtefactError(str(folder), f"lacks a part ({exc})", "Train the router again with this version.") from exc


def stored_rule(parts: Parts) -> tuple[ContinuationRule, Mapping[str, Mapping[str, CommitRule]]]:
    """The stop rule of whole answers, and the commit rules around it. Raises `KeyError` where a part is missing."""
    if parts.kind != Committing.KIND:
        return ContinuationRule.from_parts(parts), {}
    committing = Committing.from_parts(parts, ContinuationRule.from_parts)
    assert isinstance(committing.rule, ContinuationRule)
    return committing.rule, committing.commits
