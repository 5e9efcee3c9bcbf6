"""Has the model behind an endpoint changed? By the name that it reports, and by its answers to fixed probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routenlp.conformal.binomial import lower_tail
from routenlp.errors import DataError

LEVEL = 0.001
"""Chance of a false finding, a round of probes: about one in three years at a round a day."""


@dataclass(frozen=True, slots=True)
class Probe:
    """An endpoint's answer to one fixed prompt, asked without chance (temperature 0)."""

    prompt: str
    """Its name."""
    reported_model: str | None
    """As the response says; None where it says nothing."""
    answer_sha256: str
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Stability:
    """How often an unchanged endpoint repeats itself: providers do not promise that it does."""

    same: int
    """Pairs of answers to one prompt, minutes apart, that were the same."""
    pairs: int

    @property
    def least_share(self) -> float:
        """A cautious share of repeated answers: as if one pair more had differed."""
        return self.same / (self.pairs + 1)


def reasons_of_change(before: Sequence[Probe], now: Sequence[Probe], usual: Stability) -> tuple[str, ...]:
    """Why the model looks changed, in words; empty where it does not.

    Another reported name is a change by itself. Otherwise fewer answers are the same than an unchanged endpoint would
    give with a chance of `LEVEL` (exact binomial tail at `usual.least_share`). Raises `DataError` where no prompt is
    common to both rounds: nothing can be said then, which is not the same as no change.
    """
    earlier: Mapping[str, Probe] = {probe.prompt: probe for probe in before}
    pairs = [(earlier[probe.prompt], probe) for probe in now if probe.prompt in earlier]
    if not pairs:
        raise DataError("probes", "have no prompt in common with the round before", "Ask the same prompts each time.")
    reasons = []
    renamed = {
        (a.reported_model, b.reported_model)
        for a, b in pairs
        if None not in (a.reported_model, b.reported_model) and a.reported_model != b.reported_model
    }
    reasons += [f"it calls itself {new} and no longer {old}" for old, new in sorted(renamed, key=str)]
    same = sum(a.answer_sha256 == b.answer_sha256 for a, b in pairs)
    if lower_tail(same, len(pairs), usual.least_share) <= LEVEL:
        reasons.append(f"only {same} of {len(pairs)} probes have the same answer as before")
    return tuple(reasons)
