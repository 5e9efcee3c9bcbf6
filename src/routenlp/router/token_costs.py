"""What a query is expected to cost at each tier, from the tokens that it is expected to take and the prices in force.

Tokens do not depend on prices: when a price changes, the same tokens have another price, and nothing is fitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Estimator
from routenlp.router.nested import joined, part_of
from routenlp.router.reading import SurfaceFrame
from routenlp.types import FloatArray, Parts, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class ReadTokens:
    """Input tokens by tier: its instructions, and so many for each character that the router reads."""

    fixed: FloatArray
    """Shape (K,), 0 or more."""
    per_character: FloatArray
    """Shape (K,), 0 or more."""
    mean_characters: float
    """Of the training queries."""
    surface: SurfaceFrame
    """Says how many characters there are in features."""

    def of(self, features: Vectors) -> FloatArray:
        """Shape (n, K)."""
        return np.asarray(self.fixed + np.outer(self.surface.characters(features), self.per_character))

    @property
    def mean(self) -> FloatArray:
        """Of the training queries, shape (K,)."""
        return np.asarray(self.fixed + self.mean_characters * self.per_character)


@dataclass(frozen=True, slots=True, eq=False)
class TokenCosts:
    """`Estimator` of cost by tier, in units of `top_cost_usd`."""

    read: ReadTokens
    written: Estimator
    """Output tokens by tier, in units of `mean_written`."""
    mean_written: FloatArray
    """Shape (K,), positive."""
    usd_per_token: FloatArray
    """Of input and of output, shape (2, K)."""
    top_cost_usd: float
    """Mean cost of the top tier."""

    KIND: ClassVar[str] = "estimates/token_costs"

    def estimate(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Shape (n, K)."""
        return self.priced(self.read.of(features), self.output_tokens(features, task))

    def of_row(self, written: list[float], features: Vectors, task: int) -> list[float]:  # noqa: ARG002 - as latencies
        """The same of one query, features of shape (d,), where `written` is known as its estimator says it."""
        found: list[float] = self.priced(
            self.read.of(features[None])[0], np.array(written) * self.mean_written
        ).tolist()
        return found

    def output_tokens(self, features: Vectors, task: NDArray[np.int64]) -> FloatArray:
        """Expected length of each tier's answer, shape (n, K)."""
        return np.asarray(self.written.estimate(features, task) * self.mean_written)

    def priced(self, read: FloatArray, written: FloatArray) -> FloatArray:
        """Cost of so many tokens, shape (..., K), in units of `top_cost_usd`."""
        usd = read * self.usd_per_token[0] + written * self.usd_per_token[1]
        return np.asarray(usd / self.top_cost_usd)

    @property
    def mean(self) -> FloatArray:
        """By tier over the training queries, shape (K,), in units of `top_cost_usd`."""
        return self.priced(self.read.mean, self.mean_written)

    def at_prices(self, usd_per_token: FloatArray) -> TokenCosts:
        """The same tokens at other prices, shape (2, K); the top tier's mean cost moves along."""
        moved = replace(self, usd_per_token=usd_per_token)
        return replace(moved, top_cost_usd=self.top_cost_usd * float(moved.mean[-1] / self.mean[-1]))

    def parts(self) -> Parts:
        """For storage."""
        arrays = {
            "fixed": self.read.fixed,
            "per_character": self.read.per_character,
            "surface_mean": self.read.surface.mean,
            "surface_scale": self.read.surface.scale,
            "mean_written": self.mean_written,
            "usd_per_token": self.usd_per_token,
        }
        meta = {"mean_characters": self.read.mean_characters, "top_cost_usd": self.top_cost_usd}
        return joined(self.KIND, meta, {"written": self.written.parts()}, arrays)

    @classmethod
    def from_parts(cls, parts: Parts, read: Callable[[Parts], Estimator]) -> TokenCosts:
        """The inverse of `parts`; `read` makes estimators. Raises `KeyError` where a part is missing."""
        meta = cast("Mapping[str, Any]", parts.meta)
        of = {
            name: np.asarray(parts.arrays[name], dtype=np.float64)
            for name in ("fixed", "per_character", "surface_mean", "surface_scale", "mean_written", "usd_per_token")
        }
        surface = SurfaceFrame(of["surface_mean"], of["surface_scale"])
        tokens = ReadTokens(of["fixed"], of["per_character"], float(meta["mean_characters"]), surface)
        written = read(part_of(parts, "written"))
        return cls(tokens, written, of["mean_written"], of["usd_per_token"], float(meta["top_cost_usd"]))
