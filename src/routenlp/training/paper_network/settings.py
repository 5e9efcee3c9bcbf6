"""How the paper's network is trained: the weights of its loss, and how far and how fast it moves."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from routenlp.errors import SettingsError

WIDTH_OF_EMBEDDING = 64


@dataclass(frozen=True, slots=True)
class PaperNetworkSettings:
    """One loss: a weighted sum of five terms, each a mean over what the rows hold. The default fits qualities.

    The paper's loss is `PaperNetworkSettings.paper()`, and each of its ablations one argument: `cost=0`, `hinge=0`,
    `preferences=0`, `task_embedding=False`.
    """

    quality: float = 1.0
    """Of the cross-entropy of each graded outcome by the sigmoid of its tier's logit."""
    route: float = 0.0
    """Of the cross-entropy of the cheapest tier that reaches the task's target, by the softmax."""
    cost: float = 0.0
    """Of the expected price under the softmax, as a share of the dearest tier's."""
    hinge: float = 0.0
    """Of the shortfall of the expected quality under the softmax below the task's target."""
    preferences: float = 1.0
    """Of the Bradley-Terry cross-entropy of preference pairs, by differences of logits; nothing without pairs."""
    task_embedding: bool = True
    trained_layers: int = 0
    """Of the encoder, counted from its end; the token and position tables always stay as they are."""
    epochs: int = 20
    """At most: with a frozen encoder, as many are kept as do best on held-out rows."""
    batch: int = 64
    """Rows a step, at most: fewer where rows are few, so that an epoch still has 32 steps, but never under 16."""
    rate: float = 1e-3
    """Of learning, for the heads (AdamW)."""
    encoder_rate: float = 5e-5
    decay: float = 0.5
    """Of weights that all tasks share; times the root of the vectors' width, as many columns add up."""
    own_decay: float = 5.0
    """Of each task's own departure from them: the larger, the more tasks are alike."""

    def __post_init__(self) -> None:
        """Raises `SettingsError` for a value out of range."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool) and not (0 <= value < float("inf")):
                raise SettingsError(field.name, f"is {value}", "Give 0 or more")
        if not (self.quality or self.route or self.preferences):
            raise SettingsError(
                "quality, route, preferences", "are all 0", "Give one of them a weight: nothing is learned"
            )
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise SettingsError(name, f"is {getattr(self, name)}", "Give 1 or more")

    @classmethod
    def paper(cls, **changes: Any) -> PaperNetworkSettings:
        """The paper's weights (route 1, cost 0.3, hinge 0.5) but for `changes`."""
        return cls(**({"quality": 0.0, "route": 1.0, "cost": 0.3, "hinge": 0.5} | changes))

    @property
    def graded(self) -> bool:
        """Whether logits are of qualities rather than of the cheapest tier that will do."""
        return self.quality > 0.0 or self.route == 0.0
