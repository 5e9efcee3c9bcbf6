"""What the router bench says: plain words, tables, notes, checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from routenlp.bench.frame import at_least, at_most, frame
from routenlp.bench.router.apgr import OURS, SENTENCES, SETTINGS, Ranking
from routenlp.bench.router.recordings import KINDS, TIER_MEAN, Worth
from routenlp.bench.router.run import Found
from routenlp.bench.router.speed import Decision, Training
from routenlp.bench.six_tasks.table import TIMING, Table, interval
from routenlp.cascade.decision import Reach
from routenlp.replay.backtest.reaches import Reaches
from routenlp.replay.intervals import Interval

PUBLISHED = {
    "mmlu": (
        ("sw", 0.354, 0.716, 0.603),
        ("mf", 0.355, 0.714, 0.597),
        ("causal", 0.355, 0.703, 0.600),
        ("bert", 0.413, 0.722, 0.572),
    ),
    "gsm8k": (("causal", 0.336, 0.633, 0.622),),
}
"""RouteLLM's rows: system, CPT50, CPT80, APGR."""
DECISION_S = {"hashed": 0.0001, "static": 0.0004, "minilm": 0.006}
"""Targets of the median decision on a short query, by encoder."""
STATIC_PER_S = 10_000.0
ARTEFACT_MB, LOAD_S, TRAIN_S = 20.0, 0.2, 60.0
REACH_AIM = 0.75
T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""97.5% points of Student's t for this many values."""


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean with a 95% interval of Student's t over seeds, which share queries: it says how far splits move a figure."""
    mean = float(np.mean(values))
    if len(values) not in T_975:
        return Interval(mean, None, None)
    half = T_975[len(values)] * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def tables(found: Found) -> list[Table]:
    """RouteLLM's sets, AIQ, log-loss, the continuation rule, speed."""
    return [
        *(ranking_table(found.rankings, setting.name, setting.task) for setting in SETTINGS),
        aiq_table(found.worths),
        loss_table(found.worths),
        reach_table(found),
        speed_table(found.decisions),
    ]


def ranking_table(rankings: Sequence[Ranking], setting: str, task: str) -> Table:
    """One setting: RouteLLM's published rows first."""
    rows = [(f"RouteLLM {n} (published)", f"{a:.3f}", f"{c5:.3f}", f"{c8:.3f}") for n, c5, c8, a in PUBLISHED[task]]
    of_setting = [r for r in rankings if r.setting == setting]
    for system in dict.fromkeys(r.system for r in of_setting):
        mine = [r for r in of_setting if r.system == system]
        area, half, most = (over_seeds([get(r) for r in mine]) for get in (_apgr, _cpt50, _cpt80))
        rows.append((system, interval(area), interval(half), interval(most)))
    tested = np.mean([r.tested for r in of_setting])
    return Table(f"{setting}; {tested:,.0f} test queries", ("system", "APGR", "CPT50", "CPT80"), tuple(rows))


def _apgr(r: Ranking) -> float:
    return r.apgr


def _cpt50(r: Ranking) -> float:
    return r.cpt50


def _cpt80(r: Ranking) -> float:
    return r.cpt80


def aiq_table(worths: Sequence[Worth]) -> Table:
    """A row a system, a column a recording."""
    return _by_recording(
        "AIQ: mean quality over all costs between the cheapest and the dearest tier", worths, lambda w: w.aiq
    )


def loss_table(worths: Sequence[Worth]) -> Table:
    """Estimators only."""
    title = "Log-loss of estimated quality on queries that no fit saw, mean over tiers, in nats"
    return _by_recording(title, [w for w in worths if w.log_loss is not None], lambda w: w.log_loss or 0.0)


def _by_recording(title: str, worths: Sequence[Worth], value: Callable[[Worth], float]) -> Table:
    recordings = list(dict.fromkeys(w.recording for w in worths))
    rows = []
    for system in dict.fromkeys(w.system for w in worths):
        cells = []
        for recording in recordings:
            mine = [value(w) for w in worths if w.system == system and w.recording == recording]
            cells.append(interval(over_seeds(mine), 4) if mine else "–")
        rows.append((system, *cells))
    return Table(title, ("system", *recordings), tuple(rows))


def reach_table(found: Found) -> Table:
    """The continuation rule beside its special cases, at 97% of the top tier's quality."""
    rows = []
    for name, splits in found.reaches.items():
        over = [s.over_better.estimate for s in splits if s.over_better.estimate is not None]
        least = [s.least_over_better.estimate for s in splits if s.least_over_better.estimate is not None]
        rows.append(
            (
                name,
                *(_mean_cost(splits, reach) for reach in (Reach.DEARER, Reach.ONCE, Reach.NEXT)),
                interval(over_seeds(over)) if over else "–",
                interval(over_seeds(least)) if least else "–",
                _auroc(splits),
                f"{sum(s.loses for s in splits)} of {len(splits)}",
            )
        )
    costs = ("continuation rule", "route only", "cascade only")
    heads = ("recording", *costs, "rule over the better", "the least of any rule", "AUROC", "loses")
    return Table("What the freedom to call any dearer tier at any time is worth", heads, tuple(rows))


def _mean_cost(splits: Sequence[Reaches], reach: Reach) -> str:
    values = [v for s in splits if (v := s.cost[reach].estimate) is not None]
    return interval(over_seeds(values)) if values else "–"


def _auroc(splits: Sequence[Reaches]) -> str:
    best = _best_auroc(splits)
    return "none" if best is None else f"{best:.2f}"


def _best_auroc(splits: Sequence[Reaches]) -> float | None:
    known = [max(a) for s in splits if (a := [x for x in s.auroc if x is not None])]
    return float(np.mean(known)) if known else None


def speed_table(decisions: Mapping[str, Decision]) -> Table:
    """One machine's."""
    rows = tuple(
        (
            name,
            f"{d.short_p50_s * 1e3:.3f}",
            f"{d.recorded_p50_s * 1e3:.3f} ({d.recorded_chars:,} characters)",
            f"{d.batch_per_s:,.0f}",
        )
        for name, d in decisions.items()
    )
    heads = (
        "encoder",
        f"short query, p50 ms {TIMING}",
        f"recorded query, p50 ms {TIMING}",
        f"short queries/s in a batch {TIMING}",
    )
    return Table("Decisions on one core, from text to first tier, four tiers", heads, rows)


def notes(found: Found) -> list[str]:
    """What a reader must know."""
    training = found.training
    same = "the same" if training.same_bytes else "OTHER"
    return [
        f"Means over {found.seeds} seeds, with 95% intervals of Student's t; seeds share queries, so an interval says "
        "how far splits move a figure, not how it would be on other queries.",
        "RouteLLM's rows are what its authors published, on other splits: a yardstick. APGR 0.5 is random routing.",
        f"`{SENTENCES.strip(' +')}` in a name: sentence vectors of a middle layer beside the hashed n-grams. Which "
        f"layer and which kind ({OURS}) was chosen on MMLU queries of an even hash; the settings with 1,500 labels "
        "train and test on the odd half alone.",
        "AIQ of an estimator is that of routing by expected quality - price x expected cost, with no look at answers; "
        "baselines are whole systems, some of which look.",
        "AUROC: of the best cheap tier's confidence for its own quality.",
        f"Training on {training.queries:,} queries x {training.tiers} tiers took {training.train_s:.1f} s; the "
        f"artefact has {training.artefact_mb:.1f} MB and loads in {training.load_s:.3f} s; fitted again, it had {same} "
        "bytes.",
        f"{TIMING} Timings of one machine.",
    ]


def checks(found: Found) -> list[dict[str, object]]:
    """The promises that this bench measures."""
    out = [_reaches_apgr(found.rankings, s.name, s.target) for s in SETTINGS]
    out += [_beats_mean(found.worths, kind) for kind in KINDS]
    for name, splits in found.reaches.items():
        out.append(at_most(f"{name}: splits in which the rule loses", float(sum(s.loses for s in splits)), 0.0))
        if (_best_auroc(splits) or 0.0) >= 0.7:
            over = float(np.mean([s.over_better.estimate or 1.0 for s in splits]))
            out.append(at_most(f"{name}: rule over the better of route-only and cascade-only", over, REACH_AIM))
    return [*out, *speed_checks(found.decisions, found.training)]


def speed_checks(decisions: Mapping[str, Decision], training: Training) -> list[dict[str, object]]:
    """Those of time and size."""
    return [
        *(at_most(f"decision p50, s, {name}", d.short_p50_s, DECISION_S[name]) for name, d in decisions.items()),
        at_least("short queries/s in a batch, static", decisions["static"].batch_per_s, STATIC_PER_S),
        at_most("artefact, MB", training.artefact_mb, ARTEFACT_MB),
        at_most("loading, s", training.load_s, LOAD_S),
        at_most("training, s", training.train_s, TRAIN_S),
        at_least("same bytes from the same seed", float(training.same_bytes), 1.0),
    ]


def _reaches_apgr(rankings: Sequence[Ranking], setting: str, target: float) -> dict[str, object]:
    mine = [r.apgr for r in rankings if r.setting == setting and r.system == OURS]
    return at_least(f"APGR of {OURS}, {setting}", float(np.mean(mine)), target)


def _beats_mean(worths: Sequence[Worth], kind: str) -> dict[str, object]:
    """The number of recordings on which a kind's log-loss is under the tier mean's: at least one."""
    better = 0
    for recording in dict.fromkeys(w.recording for w in worths):
        better += _loss(worths, recording, kind) < _loss(worths, recording, TIER_MEAN)
    return at_least(f"recordings on which {kind} beats the tier mean in log-loss", float(better), 1.0)


def _loss(worths: Iterable[Worth], recording: str, system: str) -> float:
    return float(
        np.mean([w.log_loss for w in worths if w.recording == recording and w.system == system and w.log_loss])
    )


def as_json(found: Found) -> dict[str, object]:
    """The frame that every bench's JSON has."""
    rows = [{"table": "rankings", **asdict(r)} for r in found.rankings]
    rows += [{"table": "recordings", **asdict(w)} for w in found.worths]
    rows += [{"table": "speed", **asdict(d), "encoder": name} for name, d in found.decisions.items()]
    return frame(
        "router",
        seed=0,
        seconds=found.seconds,
        rows=rows,
        checks=checks(found),
        tables=[asdict(t) for t in tables(found)],
        notes=notes(found),
        training=asdict(found.training),
    )
