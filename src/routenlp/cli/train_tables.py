"""What `routenlp train` says on the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from routenlp.bench.six_tasks.table import Table, interval
from routenlp.conformal.verdict import Status, Verdict
from routenlp.conformal.walk import simultaneous_delta
from routenlp.replay.backtest.result import Point
from routenlp.replay.certify_tasks import Walk
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.trained import TaskTrained, Trained
from routenlp.replay.trained_on_preferences import PreferenceTrained

NOTHING = "–"
MOST_NAMED = 5
"""Models left out that are named one by one."""
PROMISE_HEADS = ("task", "target", "delta", "n", "method", "status", "estimate [bound]", "labels still needed")
COST_HEADS = ("task", "cost ratio", "quality ratio", "P(failed | accepted)", "escalated")


class Times(Protocol):
    """What was timed."""

    @property
    def train_s(self) -> float: ...
    @property
    def load_s(self) -> float: ...
    @property
    def decision_p50_s(self) -> float: ...
    @property
    def artefact_mb(self) -> float: ...


def dropped_words(table: OutcomeTable) -> list[str]:
    """What of the outcomes is not used, and what else there is to know of them. Many models are only counted."""
    models = [dropped for dropped in table.dropped if dropped.what.startswith("model ")]
    others = [dropped for dropped in table.dropped if dropped not in models]
    few = models if len(models) <= MOST_NAMED else []
    return [
        *(f"Left out {d.count:,} {d.what}: {d.why}." for d in others),
        *(f"Left out {d.what}: {d.why}." for d in few),
        *(
            []
            if few or not models
            else [f"Left out {len(models):,} models; `routenlp backtest` names them and says why."]
        ),
        *table.notes,
    ]


def words(trained: Trained, with_settings: bool, out: Path) -> list[str]:
    """The result in plain words, what it rests on, and what to do next."""
    names, point = trained.tiers.names, trained.point
    count = Counter(str(status).upper() for status in trained.statuses.values())
    serving = [walk for walk in trained.walks if walk.status is not Status.UNCERTIFIED]
    if not serving:
        why = trained.walks[0].verdict.reason.rstrip(".")
        return [
            f"Of no task was anything cheaper than always {names[-1]} shown to keep what is asked: {why}.",
            f"Stored in {out}: a router that sends everything there. Record more graded answers, or ask for less.",
            *trained.notes,
        ]
    return [
        f"On {trained.sizes['test']:,} test queries this router cost {interval(point.cost_ratio)} of always "
        f"{names[-1]} and kept {interval(point.quality_ratio)} of its quality.",
        f"Tasks by status: {', '.join(f'{n} {status}' for status, n in count.items())}. {_together(serving)}",
        *_pools(trained.walks),
        f"Stored in {out}, with tiers {', '.join(names)}. {_costs(trained)}",
        _bound(with_settings),
        *trained.notes,
    ]


def preference_words(trained: PreferenceTrained, out: Path) -> list[str]:
    """Of a router that was trained on preferences alone."""
    found, top = trained.contradictions, trained.router.tiers[-1]
    lines = [
        f"{trained.verdict.reason} Status {str(trained.verdict.status).upper()}.",
        f"Log-loss of preferences on {trained.sizes['calibrate']:,} queries that no fit saw: {trained.log_loss:.4f} "
        f"(a coin: 0.6931).",
        f"Of {found.preferences:,} preferences {found.ties:,} are ties; {found.opposed:,} pairs of answers were judged "
        f"both ways, {found.cyclic_queries:,} queries run in circles.",
    ]
    if trained.seen is None:
        lines.append(f"Stored in {out}: a router that sends everything to {top}. Ask for --serve-when empirical, or")
        lines[-1] += " grade some answers and train on both."
    else:
        lines.append(f"Stored in {out}: it cost {trained.seen.cost_ratio:.3f} of always {top} on these queries.")
    return lines


def _together(walks: Sequence[Walk]) -> str:
    delta = simultaneous_delta({str(walk.tasks): walk.verdict.delta for walk in walks})
    return f"That all promises hold at once is missed with a chance of {delta:.3g} at most."


def _pools(walks: Sequence[Walk]) -> list[str]:
    return [
        f"{len(walk.tasks)} tasks have too few calibration queries each and are certified together: the promise is "
        f"about their queries taken together, and of no single one of them ({', '.join(walk.tasks)})."
        for walk in walks
        if len(walk.tasks) > 1
    ]


def _costs(trained: Trained) -> str:
    if trained.prices is None:
        return "Costs are expected as they were recorded."
    return "Costs are expected from tokens and prices: another price needs no new outcomes, but voids the certificates."


def _bound(with_settings: bool) -> str:
    bound = "router, rule and scorer"
    if with_settings:
        bound += ", and to the prices, models and metrics of the settings"
    return (
        f"Certificates are bound to {bound}. What answers behind an endpoint, and to which prompt, training cannot "
        "know: train again when that changes."
    )


def promises_table(trained: Trained) -> Table:
    """What was proved of each task."""
    rows = tuple(_promise(name, task) for name, task in trained.tasks.items())
    return Table("What is promised of each task, from calibration queries", PROMISE_HEADS, rows)


def _promise(name: str, task: TaskTrained) -> tuple[str, ...]:
    verdict, needed = task.walk.verdict, task.walk.labels_still_needed
    asked = 1.0 - verdict.target if verdict.rule == "quality_ratio" else verdict.target
    return (
        name,
        f"{verdict.rule} {asked:.3g}",
        f"{verdict.delta:.3g}",
        _n(task),
        str(verdict.method),
        str(task.walk.status).upper(),
        _estimate(verdict),
        "never" if needed is None else f"{needed:,}",
    )


def _n(task: TaskTrained) -> str:
    """Calibration queries; of tasks walked together those of all; groups where they are the units."""
    verdict = task.walk.verdict
    text = f"{task.rows:,}" if len(task.walk.tasks) == 1 else f"{task.rows:,} of {verdict.n:,} pooled"
    return text if verdict.groups == verdict.n else f"{text}, {verdict.groups:,} groups"


def costs_table(trained: Trained) -> Table:
    """What each task's policy did to queries that nothing was chosen on."""
    rows = tuple((name, *_cost(task.point)) for name, task in trained.tasks.items())
    return Table(f"What it does, on {trained.sizes['test']:,} test queries", COST_HEADS, rows)


def _cost(point: Point | None) -> tuple[str, ...]:
    if point is None:
        return (NOTHING,) * (len(COST_HEADS) - 1)
    shown = (point.cost_ratio, point.quality_ratio, point.p_failed_given_accepted)
    return (*map(interval, shown), f"{point.escalated:.3f}")


def _estimate(verdict: Verdict) -> str:
    if verdict.estimate is None:
        return NOTHING
    side = "at least" if verdict.rule == "quality_ratio" else "at most"
    return (
        f"{verdict.estimate:.3f} [{side} {verdict.bound:.3f}]"
        if verdict.bound is not None
        else f"{verdict.estimate:.3f}"
    )


def fits_table(trained: Trained) -> Table:
    """What the router knows of each tier, against knowing its mean alone."""
    rows = tuple(
        (f.tier, f"{f.mean_quality:.3f}", f"{f.log_loss:.4f}", f"{f.log_loss_of_mean:.4f}") for f in trained.fits
    )
    heads = ("tier", "mean quality", "log-loss of the router", "log-loss of the tier's mean")
    return Table(f"On {trained.sizes['calibrate']:,} calibration queries, which no fit saw", heads, rows)


def timing_table(timed: Times) -> Table:
    """Of this machine."""
    row = (
        f"{timed.train_s:.1f} s",
        f"{timed.artefact_mb:.1f} MB",
        f"{timed.load_s:.2f} s",
        f"{timed.decision_p50_s * 1e3:.3f} ms",
    )
    return Table("On this machine", ("training", "artefact", "loading", "decision, median"), (row,))
