"""One recording's backtest in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from routenlp.bench.backtest.recordings import Source
from routenlp.replay.backtest.result import Backtest, SystemResult
from routenlp.replay.backtest.run import backtest
from routenlp.replay.backtest.split import ASYMPTOTIC, OURS, UNCERTIFIED

CALIBRATION_QUERIES = 1_100
"""Certification is measured at this many, where a recording has them."""
NOT_BASELINES = (OURS, ASYMPTOTIC, UNCERTIFIED, "oracle")


@dataclass(frozen=True, slots=True)
class Row:
    """What a recording's backtest gave; all ratios are means over repeats."""

    recording: str
    queries: int
    models: int
    tiers: tuple[str, ...]
    """Of the first split."""
    calibrate: int
    has_text: bool
    cost_kind: str
    status: str
    """Of the first split."""
    repeats: int
    systems: tuple[SystemResult, ...]
    labels_still_needed: int | None
    first_s: float
    """Reading and the first split."""
    seconds: float
    peak_rss_mb: float

    def system(self, name: str) -> SystemResult:
        """One of `systems`, by name."""
        return next(s for s in self.systems if s.name == name)

    @property
    def best_baseline(self) -> SystemResult | None:
        """The baseline that reaches the target quality on test rows at the least cost."""
        reach = [s for s in self.systems if s.name not in NOT_BASELINES and s.cost_at_target.estimate is not None]
        return min(reach, key=lambda s: s.cost_at_target.estimate or 0.0, default=None)

    def over_uncertified(self, name: str) -> float | None:
        """What a certified point costs, in units of the uncertified one."""
        cost, tuned = self.system(name).cost_ratio.estimate, self.system(UNCERTIFIED).cost_ratio.estimate
        return cost / tuned if cost is not None and tuned else None


def measure(source: Source, folder: Path, *, repeats: int, seed: int) -> Row:
    """One recording's row, from a fresh process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(_measure, source, folder, repeats, seed).result()


def _measure(source: Source, folder: Path, repeats: int, seed: int) -> Row:
    begin = time.perf_counter()
    first: list[float] = []

    def told(_done: int, _total: int) -> None:
        first.append(time.perf_counter() - begin)

    found = backtest(
        folder / f"{source.name}.parquet",
        tiers=source.tiers,
        costs=source.costs or None,
        prices=folder / "prices.yaml" if source.priced else None,
        repeats=repeats,
        seed=seed,
        calibrate_most=CALIBRATION_QUERIES,
        progress=told,
    )
    return _row(source, found, first[0], time.perf_counter() - begin)


def _row(source: Source, found: Backtest, first_s: float, seconds: float) -> Row:
    recording = found.recording
    return Row(
        recording=source.name,
        queries=recording.queries,
        models=len(recording.models),
        tiers=recording.tiers,
        calibrate=recording.folds["calibrate"],
        has_text=source.has_text,
        cost_kind=recording.cost_kind,
        status=found.status,
        repeats=found.repeats,
        systems=found.systems,
        labels_still_needed=found.labels_still_needed,
        first_s=first_s,
        seconds=seconds,
        # Linux counts KiB, other systems bytes; the bench's memory target is for Linux.
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    )
