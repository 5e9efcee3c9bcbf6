"""What the alarm looks at under each guarantee: which audits count, and the x whose mean is at most 0 while it holds.

| guarantee     | x of an audit                      | counts where         | bets l_j                    |
|---------------|------------------------------------|----------------------|-----------------------------|
| joint         | 1{cheap and failed} - alpha        | always               | c / alpha                   |
| conditional   | 1{failed} - alpha                  | a cheap tier answered| c / alpha                   |
| quality_ratio | (1 - eps) q_top - q_routed         | always               | c                           |
| paper         | 1{escalated} - alpha               | the answer was right | c / alpha                   |

Every bet is a share c < 1 of the largest that keeps 1 + l x positive at the lowest possible x. Labels of a judge that
were corrected by gold ones (`conformal.predictions`) have a wider range, and so smaller bets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from routenlp.conformal.walk import check_level
from routenlp.errors import DataError

OF_SHARES = (0.025, 0.05, 0.1, 0.2, 0.35, 0.55)
"""c of the guarantees that bound a share of failures, as shares of 1 / alpha."""
OF_RATIOS = (0.05, 0.1, 0.2, 0.4, 0.7, 0.95)
"""c of `quality_ratio`."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What one graded audit says. Qualities in [0, 1], of gold, a metric, or a corrected judge (then beyond it)."""

    routed: float
    """Quality of the answer that the policy gives."""
    top: float
    """Quality of the top tier's answer."""
    cheap: bool
    """Whether a tier under the top one answers."""
    loss: float
    """1 where the given answer failed, else 0; corrected labels may lie beyond."""
    escalated: bool
    """Whether the first cheap answer was not accepted."""
    right: bool
    """Whether the first cheap answer did not fail."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One guarantee at its target."""

    guarantee: str
    target: float
    """alpha, or eps of `quality_ratio`."""
    lowest: float
    """The smallest x there can be, below 0."""
    bets: tuple[float, ...]
    """l_j: each keeps 1 + l_j x positive for every x from `lowest` on."""

    def sample(self, audit: Audited) -> float | None:
        """x of this audit; None where the guarantee says nothing of it."""
        return _SAMPLES[self.guarantee](audit, self.target)


def watch(guarantee: str, target: float, *, lowest: float | None = None) -> Watch:
    """`lowest`: of corrected judge labels (`loss_bounds` less alpha, or -`span`); None: labels as they are.

    Raises `DataError` for a guarantee that there is not, `SettingsError` for a target outside (0, 1).
    """
    if guarantee not in _SAMPLES:
        raise DataError("guarantee", f"is {guarantee!r}", f"Known: {', '.join(_SAMPLES)}.")
    check_level("target", target)
    ratio = guarantee == "quality_ratio"
    least = (-1.0 if ratio else -target) if lowest is None else lowest
    if not least < 0.0:
        raise DataError("lowest loss", f"is {least}", "It must be below 0, or nothing could speak for the promise.")
    shares = OF_RATIOS if ratio else OF_SHARES
    return Watch(guarantee, target, least, tuple(c / -least for c in shares))


def _joint(audit: Audited, alpha: float) -> float:
    return (audit.loss if audit.cheap else 0.0) - alpha


def _conditional(audit: Audited, alpha: float) -> float | None:
    return audit.loss - alpha if audit.cheap else None


def _quality_ratio(audit: Audited, eps: float) -> float:
    return (1.0 - eps) * audit.top - audit.routed


def _paper(audit: Audited, alpha: float) -> float | None:
    return float(audit.escalated) - alpha if audit.right else None


_SAMPLES: Mapping[str, Callable[[Audited, float], float | None]] = MappingProxyType(
    {"joint": _joint, "conditional": _conditional, "quality_ratio": _quality_ratio, "paper": _paper}
)
