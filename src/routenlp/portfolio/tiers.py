"""The portfolio: an ordered list of tiers, the last of which is the top tier."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from routenlp.errors import SettingsError
from routenlp.portfolio.prices import Price


@dataclass(frozen=True, slots=True)
class Tier:
    """One position in the portfolio."""

    name: str
    backend: str
    """Which kind of backend answers: `student`, `recorded`, ..."""
    price: Price
    model: str | None = None
    """What the backend runs, where it can run several things."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Tiers, cheapest first. Raises `SettingsError` when empty, when names repeat, or when prices fall."""

    tiers: tuple[Tier, ...]
    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Of the tiers, cheapest first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(tier.name for tier in self.tiers))
        if not self.tiers:
            raise SettingsError("portfolio", "is empty", "List at least one tier; the last is the top tier.")
        if len(set(self.names)) < len(self.tiers):
            raise SettingsError("portfolio", f"names repeat in {list(self.names)}", "Give every tier its own name.")
        for cheaper, dearer in zip(self.tiers, self.tiers[1:], strict=False):
            if cheaper.price.cost_usd(1, 1) > dearer.price.cost_usd(1, 1):
                raise SettingsError(
                    f"portfolio.{dearer.name}.price",
                    f"is under that of {cheaper.name}, which stands before it",
                    "List tiers cheapest first.",
                )

    @property
    def top(self) -> str:
        """Name of the last tier, which always answers."""
        return self.tiers[-1].name

    def among(self, names: Collection[str]) -> tuple[Tier, ...]:
        """The tiers of these names, cheapest first."""
        return tuple(tier for tier in self.tiers if tier.name in names)

    def position(self, name: str) -> int:
        """0 for the cheapest tier; raises `SettingsError` for a name that is not in the portfolio."""
        try:
            return self.names.index(name)
        except ValueError:
            raise SettingsError(
                f"tier {name!r}", "is not in the portfolio", f"Tiers are {', '.join(self.names)}."
            ) from None
