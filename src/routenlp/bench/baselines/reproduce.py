"""Measures every claim over several seeds, and says whether it holds here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from routenlp.bench.baselines.claims import CLAIMS, Claim
from routenlp.bench.baselines.curves import Curves, Recording, curves
from routenlp.replay.intervals import Interval

SEEDS = 5


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One claim, and what was found."""

    baseline: str
    published: str
    recording: str
    ours: Interval
    """Mean over the seeds, with the 95% interval of Student's t: how far splits and fits move it, on these queries."""
    holds: bool


def reproduce(
    folder: Path, *, claims: Sequence[Claim] = CLAIMS, seeds: int = SEEDS, note: Callable[[str], object] = str
) -> tuple[Reproduced, ...]:
    """A row for each claim. `folder` holds the recordings and `prices.yaml`; `note` is told what is under way.

    Minutes for all claims: each recording is read once, and each baseline fitted once a seed.
    """
    measured: dict[Recording, list[Curves]] = {}
    for recording in dict.fromkeys(claim.recording for claim in claims):
        systems = dict.fromkeys(name for claim in claims if claim.recording == recording for name in claim.systems)
        note(name_of(recording))
        measured[recording] = list(curves(folder, recording, tuple(systems), seeds=seeds))
    return tuple(_judged(claim, [claim.measure(found) for found in measured[claim.recording]]) for claim in claims)


def name_of(recording: Recording) -> str:
    """For tables: the file, and the task of it."""
    return recording.file if recording.task is None else f"{recording.file}: {recording.task}"


def markdown(rows: Iterable[Reproduced]) -> str:
    """The table of docs/baselines.md."""
    lines = ["| baseline | published | recording | ours, with 95% interval | reproduced |", "|---|---|---|---|---|"]
    for row in rows:
        ours = f"{row.ours.estimate:.3f} [{row.ours.low:.3f}, {row.ours.high:.3f}]"
        verdict = "yes" if row.holds else "no"
        lines.append(f"| {row.baseline} | {row.published} | {row.recording} | {ours} | {verdict} |")
    return "\n".join(lines)


def _judged(claim: Claim, values: Sequence[float]) -> Reproduced:
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    mean = float(np.mean(values))
    low, high = mean - half, mean + half
    if claim.figure is not None:
        holds = low <= claim.figure <= high
    else:
        holds = claim.at_least is not None and low >= claim.at_least
    return Reproduced(claim.baseline, claim.published, name_of(claim.recording), Interval(mean, low, high), holds)
