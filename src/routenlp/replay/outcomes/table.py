"""Recorded outcomes as arrays: what every kept model answered to every kept query, and what was dropped on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from routenlp.errors import SettingsError
from routenlp.types import FloatArray

CostKind = Literal["recorded", "given", "estimated"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something of the recording that the table does not hold. Nothing is left out without one of these."""

    what: str
    """`rows`, `queries`, or `model NAME`."""
    count: int
    """Number of rows or queries; for a model, of its rows."""
    why: str
    """In words, with a remedy where there is one."""
    examples: tuple[str, ...] = ()
    """The first few, in order: query ids, or `query id / model`."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Queries that went because some kept model had no usable answer to them, and whether those kept are like them."""

    queries: int
    of: int
    """Queries that any kept model answered."""
    missing: str
    """The model that lacks most answers."""
    judged_by: str
    """The kept model whose quality differs most between the queries kept and those that went."""
    kept: float
    """Its mean quality there, the tasks in the shares of all queries."""
    gone: float
    z: float
    """The difference over its standard error: within some 3, where answers are missing at random."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """n queries x K models, complete: every model answered every query.

    Queries are in order of (task, id), models in order of mean cost, whatever the order of the rows recorded.
    Matrices have shape (n, K).
    """

    models: tuple[str, ...]
    ids: tuple[str, ...]
    tasks: tuple[str, ...]
    """Of each query. An id is unique within its task."""
    groups: tuple[str, ...]
    """Of each query: the unit that no fold cuts, across tasks. The query's own id where the recording has none."""
    texts: tuple[str, ...] | None
    """Of each query, empty where it has none; None when no query has one."""
    held_out: NDArray[np.bool_] | None
    """Shape (n,): the test rows of the supplied split; None when no split was asked for."""
    quality: FloatArray
    """In [0, 1], never NaN."""
    cost_usd: FloatArray
    """0 or more, never NaN."""
    confidence: FloatArray
    """In [0, 1]; NaN where the model gave none."""
    latency_s: FloatArray
    """NaN where it was not recorded."""
    answer_length: FloatArray
    """In tokens where any are recorded, else in characters of the response; NaN where neither is."""
    cost_kind: CostKind
    """`estimated` if any cost is an estimate; else `given` if any was given by the caller; else `recorded`."""
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader of the figures must know and is no drop, in words."""
    input_tokens: FloatArray | None = None
    """NaN where not recorded; None where recorded of no answer."""
    output_tokens: FloatArray | None = None
    """NaN where not recorded; None where recorded of no answer."""
    incomplete: Incomplete | None = None
    """Queries that lacked a kept model; None where none did."""

    @property
    def n(self) -> int:
        """Number of queries."""
        return len(self.ids)

    @property
    def task_names(self) -> tuple[str, ...]:
        """The tasks there are, sorted."""
        return tuple(sorted(set(self.tasks)))

    @property
    def mean_quality(self) -> FloatArray:
        """Of each model, shape (K,)."""
        return np.asarray(self.quality.mean(axis=0))

    @property
    def mean_cost_usd(self) -> FloatArray:
        """Of each model for one query, shape (K,)."""
        return np.asarray(self.cost_usd.mean(axis=0))

    @property
    def constant_confidence(self) -> tuple[str, ...]:
        """Models with a confidence that is the same for every query: it is kept, and tells nothing."""
        return tuple(m for m, given in zip(self.models, self.confidence.T, strict=True) if _is_constant(given))

    @property
    def without_confidence(self) -> tuple[str, ...]:
        """Models that gave no confidence at all."""
        return tuple(m for m, given in zip(self.models, self.confidence.T, strict=True) if np.isnan(given).all())

    @property
    def absent_confidence(self) -> Mapping[str, int]:
        """Of models that gave a confidence with some answers, the number of answers without one."""
        counts = {m: int(np.isnan(given).sum()) for m, given in zip(self.models, self.confidence.T, strict=True)}
        return {model: count for model, count in counts.items() if 0 < count < self.n}

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> OutcomeTable:
        """The chosen queries, by mask or by position; the order of models stays."""
        at = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else np.asarray(chosen)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in at),
            tasks=tuple(self.tasks[i] for i in at),
            groups=tuple(self.groups[i] for i in at),
            texts=None if self.texts is None else tuple(self.texts[i] for i in at),
            held_out=None if self.held_out is None else self.held_out[at],
            quality=self.quality[at],
            cost_usd=self.cost_usd[at],
            confidence=self.confidence[at],
            latency_s=self.latency_s[at],
            answer_length=self.answer_length[at],
            input_tokens=None if self.input_tokens is None else self.input_tokens[at],
            output_tokens=None if self.output_tokens is None else self.output_tokens[at],
        )

    def task(self, name: str) -> OutcomeTable:
        """The queries of one task."""
        return self.rows(np.array([task == name for task in self.tasks], dtype=np.bool_))

    def with_models(self, names: Sequence[str]) -> OutcomeTable:
        """These models in this order. Raises `SettingsError` for one that the table does not hold, or named twice."""
        at = [self.position(name) for name in names]
        if len(set(at)) < len(at):
            raise SettingsError("tiers", f"{', '.join(names)} names a model twice", "Name each model once")
        return replace(
            self,
            models=tuple(names),
            quality=self.quality[:, at],
            cost_usd=self.cost_usd[:, at],
            confidence=self.confidence[:, at],
            latency_s=self.latency_s[:, at],
            answer_length=self.answer_length[:, at],
            input_tokens=None if self.input_tokens is None else self.input_tokens[:, at],
            output_tokens=None if self.output_tokens is None else self.output_tokens[:, at],
        )

    def position(self, model: str) -> int:
        """Column of `model`. Raises `SettingsError` that names the models there are."""
        if model not in self.models:
            remedy = f"Use names out of {', '.join(self.models)}"
            raise SettingsError("tiers", f"no kept model is called {model!r}", remedy)
        return self.models.index(model)


def _is_constant(given: FloatArray) -> bool:
    present = given[~np.isnan(given)]
    return present.size > 1 and bool((present == present[0]).all())
