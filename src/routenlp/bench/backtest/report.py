"""What the bench over all recordings says: tables, notes, checks, and the frame that every bench's JSON has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from routenlp.bench.backtest.measure import CALIBRATION_QUERIES, Row
from routenlp.bench.frame import frame
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.conformal.binomial import cdf
from routenlp.replay.backtest.result import SystemResult
from routenlp.replay.backtest.split import ASYMPTOTIC, OURS, UNCERTIFIED
from routenlp.replay.backtest.words import about

DELTA = 0.10
CHANCE = 0.01
"""Chance that a kept promise is reported as broken, for one rule on one recording."""
CERTIFIED_AT_MOST = {OURS: 1.7, ASYMPTOTIC: 1.4}
WINS_AT_LEAST = 4
LARGE = "mmlupro_cot_responses"
"""12,000 queries x 13 models: what the budgets are about."""
BUDGET_MB = 2048.0
BUDGET_FIRST_S = 60.0
BUDGET_20_S = 360.0
NONE = "–"


@dataclass(frozen=True, slots=True)
class Check:
    """A promise that this bench measures, with its target."""

    name: str
    value: float | None
    target: float
    holds: bool

    def line(self) -> str:
        """In words."""
        value = "unknown" if self.value is None else f"{self.value:.3g}"
        return f"{'holds' if self.holds else 'MISSED'}: {self.name} {value}, target {self.target:g}"


def tables(rows: Sequence[Row]) -> list[Table]:
    """Recordings, cost beside the best baseline, cost of certification, misses, and time."""
    return [recordings(rows), costs(rows), certification(rows), misses(rows), time_and_memory(rows)]


def recordings(rows: Sequence[Row]) -> Table:
    """What was backtested."""
    cells = tuple(
        (
            r.recording,
            f"{r.queries:,} x {r.models}",
            ", ".join(r.tiers),
            f"{r.calibrate:,}",
            r.cost_kind,
            str(r.repeats),
        )
        for r in rows
    )
    heads = ("recording", "queries x models", "tiers (first split)", "calibration queries", "cost", "splits")
    return Table("Recordings", heads, cells)


def costs(rows: Sequence[Row]) -> Table:
    """Cost at equal quality, beside the best baseline."""
    cells = []
    for r in rows:
        best = r.best_baseline
        ours = r.system(UNCERTIFIED)
        cells.append(
            (
                r.recording,
                _cost(ours),
                NONE if best is None else f"{_cost(best)} {best.name}",
                NONE if best is None else _versus(ours, best),
                interval(r.system("oracle").cost_at_target),
            )
        )
    heads = ("recording", "routenlp", "best baseline", "routenlp over it", "oracle")
    return Table(
        "Cost over always-top at 97% of its quality on test queries: every system's own curve", heads, tuple(cells)
    )


def certification(rows: Sequence[Row]) -> Table:
    """What a proof costs: operating points chosen on the calibration queries."""
    cells = tuple(
        (
            r.recording,
            r.status.upper(),
            *(interval(r.system(name).cost_ratio) for name in (UNCERTIFIED, ASYMPTOTIC, OURS)),
            *(_number(r.over_uncertified(name)) for name in (ASYMPTOTIC, OURS)),
            "never" if r.labels_still_needed is None else about(r.labels_still_needed),
        )
        for r in rows
    )
    heads = (
        "recording",
        "status (first split)",
        "cost, uncertified",
        "cost, asymptotic",
        "cost, certified",
        "asymptotic / uncertified",
        "certified / uncertified",
        "more labels to prove the tuned point",
    )
    return Table("What a proof costs: operating points chosen on the calibration queries", heads, cells)


def misses(rows: Sequence[Row]) -> Table:
    """Shares of splits under target on their test queries."""
    cells = []
    for r in rows:
        for name in (UNCERTIFIED, ASYMPTOTIC, OURS):
            s = r.system(name)
            cells.append(
                (
                    r.recording,
                    name,
                    interval(s.quality_ratio),
                    _percent(s.share_of_repeats_missing_target),
                    _percent(s.share_missing_beyond_noise),
                )
            )
    heads = ("recording", "system", "quality ratio", "splits under target", "by more than 90% noise")
    return Table("How often the target was missed on test queries", heads, tuple(cells))


def time_and_memory(rows: Sequence[Row]) -> Table:
    """Of one machine."""
    cells = tuple(
        (r.recording, f"{r.first_s:.0f}", f"{r.seconds:.0f}", str(r.repeats), f"{r.peak_rss_mb:.0f}") for r in rows
    )
    return Table(
        "Time and memory on one machine",
        ("recording", "first split, s (with reading)", "all, s", "splits", "peak MB"),
        cells,
    )


def checks(rows: Sequence[Row], *, quick: bool) -> list[Check]:
    """Promises with their targets. Two splits are too few for shares and times of twenty."""
    out = [_wins(rows), *(_dearer(rows, name, most) for name, most in CERTIFIED_AT_MOST.items())]
    if not quick:
        out += [_kept(row, name) for row in rows for name in CERTIFIED_AT_MOST]
    for row in rows:
        if row.recording == LARGE:
            out.append(_at_most(f"{LARGE}: seconds to the first split", row.first_s, BUDGET_FIRST_S))
            out.append(_at_most(f"{LARGE}: peak MB", row.peak_rss_mb, BUDGET_MB))
            if row.repeats >= 20:
                out.append(_at_most(f"{LARGE}: seconds for {row.repeats} splits", row.seconds, BUDGET_20_S))
    return out


def notes(rows: Sequence[Row]) -> list[str]:
    """What a reader must know to read the tables rightly."""
    counts = sorted({r.repeats for r in rows})
    repeats = " or ".join(map(str, counts))
    allowed = ", ".join(f"{most_misses(n)} of {n}" for n in counts)
    return [
        "Target: at least 97% of the top tier's mean quality (`quality_ratio`, eps 0.03), delta 0.10. All systems see "
        f"the same rows: fitted on the training fold, tuned on at most {CALIBRATION_QUERIES:,} calibration queries, "
        "measured on test queries.",
        f"Figures are means over {repeats} random splits of the same recording; brackets are the 2.5% and 97.5% points "
        "of the splits, which overlap and are no independent samples.",
        "At equal quality: where the upper hull of a system's policies on test queries reaches 97%. It says how good "
        "the router is, not where it would be run. The best baseline is the best of all of them after the fact, on "
        "each recording.",
        "Test queries have noise: a policy that sits exactly on target falls under it in half of the splits, and by "
        "more than the one-sided 90% noise in one of ten. The checks count every split under target, noise or not, and "
        f"allow {allowed} (delta, and what chance adds to it).",
        "Costs are the recording's own only where it says `recorded`; `given` are assumed prices, `estimated` are list "
        "prices times tokens.",
    ]


def as_json(rows: Sequence[Row], *, quick: bool, seed: int, seconds: float) -> dict[str, object]:
    """Ready for `json.dumps`."""
    return frame(
        "backtests",
        seed=seed,
        seconds=seconds,
        peak_rss_mb=round(max((r.peak_rss_mb for r in rows), default=0.0)),
        rows=[asdict(r) for r in rows],
        checks=[asdict(c) for c in checks(rows, quick=quick)],
        quick=quick,
        tables=[asdict(t) for t in tables(rows)],
        notes=notes(rows),
    )


def most_misses(repeats: int) -> int:
    """The most splits that may miss a target kept with probability 1 - delta: more has a chance of 1% at most."""
    return int(np.count_nonzero(cdf(repeats, DELTA) < 1.0 - CHANCE))


def _wins(rows: Sequence[Row]) -> Check:
    """On how many recordings with text the router is at or under the best baseline, at equal quality."""
    won = 0
    for r in (row for row in rows if row.has_text):
        best, mine = r.best_baseline, r.system(UNCERTIFIED).cost_at_target.estimate
        if mine is not None and (best is None or mine <= (best.cost_at_target.estimate or math.inf) + 1e-9):
            won += 1
    name = "recordings with text where routenlp costs at most the best baseline at equal quality"
    return Check(name, float(won), float(WINS_AT_LEAST), won >= WINS_AT_LEAST)


def _dearer(rows: Sequence[Row], name: str, most: float) -> Check:
    """The geometric mean over recordings with enough calibration queries of the cost of proof."""
    ratios = [x for r in rows if r.calibrate >= 0.9 * CALIBRATION_QUERIES and (x := r.over_uncertified(name))]
    mean = float(np.exp(np.mean(np.log(ratios)))) if ratios else None
    return _at_most(f"{name}: cost over the uncertified point, mean over {len(ratios)} recordings", mean, most)


def _kept(row: Row, name: str) -> Check:
    share = row.system(name).share_of_repeats_missing_target
    most = most_misses(row.repeats) / row.repeats
    return _at_most(f"{row.recording}: share of splits in which {name} is under target", share, most)


def _at_most(name: str, value: float | None, target: float) -> Check:
    return Check(name, value, target, value is not None and value <= target + 1e-9)


def _cost(system: SystemResult) -> str:
    value = system.cost_at_target
    return "not reached in every split" if value.estimate is None else interval(value)


def _versus(ours: SystemResult, best: SystemResult) -> str:
    mine, other = ours.cost_at_target.estimate, best.cost_at_target.estimate
    return NONE if mine is None or not other else f"{mine / other:.2f}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"
