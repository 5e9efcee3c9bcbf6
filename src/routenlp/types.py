"""The nouns: what flows between the stages. Frozen, without behaviour beyond what follows from their fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Task:
    """A named kind of query: how its answers are graded, when one counts as handled, how fast it must be."""

    name: str
    metric: str
    handled_at: float
    """An answer whose quality is under this has *failed*. In quality units, (0, 1]."""
    sla_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation."""

    role: str
    """`user`, `assistant`, `system` or `tool`."""
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """One request."""

    id: str
    task: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the caller says beside the text, such as `schema`: the label set that an entity query asks for."""
    turns: tuple[Turn, ...] = ()
    """The conversation before `text`, oldest first."""


@dataclass(frozen=True, slots=True)
class Example:
    """A query with the reference that answers to it are graded against.

    `group` (contract, company, dialogue, ...) is the unit of exchangeability: no split may cut one.
    """

    query: Query
    reference: str
    """In the form in which a tier answers: a label, a text, or entities as canonical JSON (`grading.entities`)."""
    group: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says to one query, before anybody puts a price on it."""

    text: str
    token_probs: tuple[float, ...] | None
    """p(y_i | y_<i, x) of each decision or token of the answer, in order; None when the model gives none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tier returned."""

    tier: str
    text: str
    token_probs: tuple[float, ...] | None
    input_tokens: int
    output_tokens: int
    cost_usd: float
    latency_s: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the router expects of one tier on one query."""

    tier: str
    quality: float
    """Expected quality of the tier's answer, in [0, 1]."""
    cost_usd: float | None = None
    """Expected cost of the query at this tier; None where the router does not say."""
    latency_s: float | None = None
    """Median seconds that the tier is expected to take; None where the router does not say."""
    cached_usd: float = 0.0
    """What comes off that cost because the tier's prompt cache holds the conversation so far."""
    extra_usd: float = 0.0
    """What comes on top of it because the query does not fit one call of the tier, and is read in parts."""
    rounds: int = 1
    """Calls one after the other that it takes, each about as long as `latency_s`."""


@dataclass(frozen=True, slots=True)
class Propensity:
    """How likely a tier was to be the first, before the router drew."""

    tier: str
    probability: float
    """In [0, 1]."""


@dataclass(frozen=True, slots=True)
class Route:
    """The router's choice of first tier, and its estimates for every tier."""

    task: str
    first: str
    estimates: tuple[Estimate, ...]
    reason: str
    propensities: tuple[Propensity, ...] = ()
    """Of every tier that could have been the first, `first` among them; they sum to 1. Empty where the router logs
    none: unknown, which is never taken as 1."""
    too_long: tuple[str, ...] = ()
    """Tiers that cannot read the query, because it does not fit them: they are not called."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What was decided of an answer before it ended."""

    score: float
    """Of the prefix."""
    threshold: float
    """That the prefix's score was compared with."""
    tokens: int
    """How many were there."""
    released: bool
    """True: given out for good. False: cancelled."""


@dataclass(frozen=True, slots=True)
class Step:
    """One tier's answer with its score and verdict."""

    answer: Answer
    score: float | None
    """Uncertainty, 0 (sure) to 1; None when the answer cannot be scored, which is never accepted by a threshold."""
    threshold: float | None
    """The (task, tier) threshold in force; None when there is none, which escalates."""
    accepted: bool = False
    """True on the one step whose answer was returned."""
    commit: Commit | None = None
    """None where the answer was judged whole."""

    @property
    def cancelled(self) -> bool:
        """Whether `answer` is no more than what was there when the call was broken off."""
        return self.commit is not None and not self.commit.released


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop rule's verdict: return this answer."""

    answer: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class Call:
    """A stop rule's verdict: ask this tier next."""

    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trace:
    """All that happened to one query."""

    query: Query
    route: Route
    steps: tuple[Step, ...]
    answer: Answer
    reason: str
    """Why this answer was returned, in words."""
    policy_version: str

    @property
    def cost_usd(self) -> float:
        """Every tier that was called, in USD."""
        return sum(step.answer.cost_usd for step in self.steps)

    @property
    def latency_s(self) -> float:
        """Every tier that was called, one after the other, in seconds."""
        return sum(step.answer.latency_s for step in self.steps)

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names of the tiers called, in order."""
        return tuple(step.answer.tier for step in self.steps)


@dataclass(frozen=True, slots=True)
class Parts:
    """A model or policy taken apart into what can be stored without pickle."""

    kind: str
    arrays: Mapping[str, NDArray[np.generic]]
    meta: Mapping[str, object]
    """JSON values only."""


@dataclass(frozen=True, slots=True, eq=False)
class ClusterSpace:
    """Where failures are grouped: principal axes of an encoder's vectors, and centres on the unit sphere of them."""

    mean: Vectors
    """Shape (d,)."""
    axes: Vectors
    """Shape (d, k), k at most 128."""
    centres: Vectors
    """Shape (clusters, k), one at least."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows of one task that serve one purpose. Made by `replay.folds.split`, which never cuts a group."""

    task: str
    examples: tuple[Example, ...]


class TrainingFold(Fold):
    """What models, encoders, routers and scorers are fitted on."""


class CalibrationFold(Fold):
    """What thresholds are chosen on. No fit ever sees it."""


class GateFold(Fold):
    """What promotions are decided on."""


class TestFold(Fold):
    """What is reported."""

    __test__ = False  # a noun, whatever pytest thinks of its name
