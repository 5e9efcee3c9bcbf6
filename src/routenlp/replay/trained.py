"""`routenlp train`: a router and its stop rule from recorded outcomes, certified, measured, and ready to be stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from routenlp.cascade.continuation import ContinuationRule
from routenlp.cascade.decision import Reach
from routenlp.conformal.verdict import Status
from routenlp.contracts import StoredEncoder
from routenlp.errors import DataError, MissingData
from routenlp.portfolio.prices import Price
from routenlp.replay.backtest.features import make_rows, take
from routenlp.replay.backtest.ladder import ContinuationLadder, fit_continuation
from routenlp.replay.backtest.points import measure_handled, measure_run
from routenlp.replay.backtest.result import Point
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.replay.backtest.sla import Sla
from routenlp.replay.backtest.split import check_top, refuse_trained, some_groups
from routenlp.replay.certify_tasks import Walk, certify_tasks
from routenlp.replay.compared import Placed, Used, place, use
from routenlp.replay.outcomes.folds import OutcomeFolds, fold_outcomes
from routenlp.replay.outcomes.table import OutcomeTable
from routenlp.replay.outcomes.tiers import Tiers, asked_tiers, efficient_tiers
from routenlp.replay.rungs import KeptLadder, keep
from routenlp.replay.text_readers import READERS, ReadTexts, SentenceEncoders, Sentences, as_read
from routenlp.replay.wanted import WantedOfTasks
from routenlp.router.learned import LearnedRouter
from routenlp.training.preferences import Compared
from routenlp.training.token_fit import TokenRows
from routenlp.types import FloatArray

MOST_INCOMPLETE = 0.5
"""Of the queries: where more lack a tier, the rest must be like them."""
ALIKE = 4.0
"""Standard errors up to which qualities may differ by chance; the largest difference of some models is looked at."""
_EDGE = 1e-3


def no_sentences() -> SentenceEncoders:
    """Where no weights were given."""
    raise MissingData("encoder", "no sentence encoder was given", "Use the encoder hashed, or give its weights")


@dataclass(frozen=True, slots=True)
class Means:
    """What a router is made with."""

    encoder: str = "hashed"
    """A name in `text_readers.READERS`."""
    sentences: Sentences = no_sentences
    prices: Mapping[str, Price] = field(default_factory=dict)
    """By model. Where they and token counts are there for every tier, costs are expected from tokens."""
    compared: Compared | None = None
    """Preferences beside the outcomes."""
    preference_weight: float = 1.0
    """Of a preference's mean loss beside that of an outcome."""


@dataclass(frozen=True, slots=True)
class TierFit:
    """How well the router foretells one tier, on calibration queries, which no fit saw."""

    tier: str
    mean_quality: float
    log_loss: float
    """Of the router's estimates; graded quality counts as a soft label."""
    log_loss_of_mean: float
    """Of the tier's mean quality on the training rows, whatever the query."""


@dataclass(frozen=True, slots=True)
class TaskTrained:
    """What serves one task, and what is known of that."""

    walk: Walk
    rows: int
    """Calibration rows of the task."""
    point: Point | None
    """On its test queries; None where there are none."""


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A router, the stop rule behind it, and what is known of the two."""

    encoder: StoredEncoder
    router: LearnedRouter
    stop_rule: ContinuationRule
    tiers: Tiers
    prices: tuple[Price, ...] | None
    """Of the tiers, where costs are expected from tokens; else None: costs are what was recorded."""
    tasks: Mapping[str, TaskTrained]
    point: Point
    """Of the policy stored, on test queries of all tasks."""
    fits: tuple[TierFit, ...]
    sizes: Mapping[str, int]
    """Queries by fold."""
    notes: tuple[str, ...]
    ladders: Mapping[str, KeptLadder] = field(default_factory=dict)
    """By task: what its policies are walked along again."""

    @property
    def walks(self) -> tuple[Walk, ...]:
        """Each once."""
        return tuple({task.walk.tasks: task.walk for task in self.tasks.values()}.values())

    @property
    def statuses(self) -> Mapping[str, Status]:
        """By task; UNCERTIFIED is always-top."""
        return {name: task.walk.status for name, task in self.tasks.items()}


def train(
    table: OutcomeTable,
    asked: WantedOfTasks,
    *,
    tiers: Sequence[str] | None,
    calibrate_most: int | None,
    seed: int,
    means: Means | None = None,
) -> Trained:
    """Fit on the training fold, certify task by task on the calibration fold, measure on the test fold.

    Where less is proved of a task than it asks for, its stored policy is always-top. Raises `DataError` where there is
    no text to route by, or nothing to route between.
    """
    if table.texts is None or not any(text.strip() for text in table.texts):
        raise DataError("query", "is in no row, so there is no text to route by", "Record a column `query`")
    _refuse_selected(table)
    means = means or Means()
    at = fold_outcomes(table, seed=seed)
    refuse_trained(table, at.train, at.calibrate)
    chosen = asked_tiers(table, tiers) if tiers else efficient_tiers(table.rows(at.train))
    if len(chosen.names) < 2:
        raise DataError("tiers", f"{chosen.names[0]} is the cheapest model and the best", "Use it always")
    table = _at_prices(table, chosen, _prices(means, chosen))
    placed = None if means.compared is None else place(means.compared, table)
    read = _read(table, at, means, placed, seed)
    folds = _fold(table, at, chosen, read, calibrate_most, seed)
    used = None
    if placed is not None:
        others = read.features[table.n :]
        used = use(placed, table, at.train, folds.train, others, means.preference_weight)
    tokens = _tokens(table, at.train, chosen, means, read)
    ladder = _ladder(folds.train, asked, tokens, used, seed)
    walks = certify_tasks(ladder, folds.train, folds.calibrate, asked, seed=seed)
    trained = _trained(ladder, folds, walks, read, chosen, _prices(means, chosen) if tokens else None, used)
    texts = np.array([(table.texts or ())[row] for row in at.train], dtype=object)
    seen = {task: texts[folds.train.task == t].tolist() for t, task in enumerate(folds.train.task_names)}
    return replace(trained, ladders=keep(ladder, folds.train, seen, seed=seed))


def _refuse_selected(table: OutcomeTable) -> None:
    """Raise `DataError` where most queries lack a tier, and those that have all are unlike the others.

    Weighing rows by how likely they were to be complete would ask for that chance, which no outcome carries: so no
    weights, but a refusal.
    """
    found = table.incomplete
    if found is None or found.queries <= MOST_INCOMPLETE * found.of or abs(found.z) <= ALIKE:
        return
    problem = (
        f"were recorded of every tier on {found.of - found.queries:,} of {found.of:,} queries, which were selected: "
        f"{found.judged_by} has quality {found.kept:.2f} there and {found.gone:.2f} on the others"
    )
    remedy = (
        f"Give only queries drawn at random, such as audits; ask {found.missing} on such, or leave it out (--tiers)"
    )
    raise DataError("outcomes", problem, remedy)


@dataclass(frozen=True, slots=True, eq=False)
class _Folds:
    train: Rows
    calibrate: Rows
    test: Rows
    sizes: Mapping[str, int]


def _read(table: OutcomeTable, at: OutcomeFolds, means: Means, placed: Placed | None, seed: int) -> ReadTexts:
    texts = as_read([*(table.texts or ()), *(placed.texts if placed is not None else ())])
    return READERS[means.encoder](texts, at.train, seed, means.sentences)


def _fold(
    table: OutcomeTable, at: OutcomeFolds, tiers: Tiers, read: ReadTexts, calibrate_most: int | None, seed: int
) -> _Folds:
    everything = make_rows(table, tiers.names, read.features[: table.n])
    labelled = some_groups(table, at.calibrate, calibrate_most, seed=seed)
    train, calibrate, test = (take(everything, rows) for rows in (at.train, labelled, at.test))
    for name, rows in (("train", train), ("calibrate", calibrate), ("test", test)):
        check_top(name, rows)
    sizes = {"train": train.n, "calibrate": calibrate.n, "gate": len(at.gate), "test": test.n}
    return _Folds(train, calibrate, test, sizes)


def _prices(means: Means, tiers: Tiers) -> tuple[Price, ...] | None:
    known = [means.prices[name] for name in tiers.names if name in means.prices]
    return tuple(known) if len(known) == len(tiers.names) else None


def _at_prices(table: OutcomeTable, tiers: Tiers, prices: Sequence[Price] | None) -> OutcomeTable:
    """The tiers alone, with what answers cost at these prices in place of what was recorded, where tokens were."""
    chosen = table.with_models(tiers.names)
    if prices is None or chosen.input_tokens is None or chosen.output_tokens is None:
        return chosen
    usd = usd_per_token(prices)
    cost = chosen.input_tokens * usd[0] + chosen.output_tokens * usd[1]
    return replace(chosen, cost_usd=np.where(np.isnan(cost), chosen.cost_usd, cost))


def _tokens(
    table: OutcomeTable, train: NDArray[np.int64], tiers: Tiers, means: Means, read: ReadTexts
) -> TokenRows | None:
    """None where a count or a price is not there for every tier."""
    prices = _prices(means, tiers)
    if prices is None or table.input_tokens is None or table.output_tokens is None:
        return None
    found = TokenRows(table.input_tokens[train], table.output_tokens[train], usd_per_token(prices), read.surface)
    return found if found.enough else None


def usd_per_token(prices: Sequence[Price]) -> FloatArray:
    """Of input and of output, shape (2, K)."""
    return np.array([[p.input_usd_per_mtok for p in prices], [p.output_usd_per_mtok for p in prices]]) / 1e6


def _ladder(
    train: Rows, asked: WantedOfTasks, tokens: TokenRows | None, used: Used | None, seed: int
) -> ContinuationLadder:
    limits = {name: limit for name in train.task_names if (limit := asked.of(name).sla_s) is not None}
    sla = Sla(limits) if limits and train.latency_s is not None else None
    preferred = None if used is None else used.rows
    return fit_continuation(train, seed, Reach.DEARER, sla, tokens, preferred)


def _trained(
    ladder: ContinuationLadder,
    folds: _Folds,
    walks: Sequence[Walk],
    read: ReadTexts,
    tiers: Tiers,
    prices: tuple[Price, ...] | None,
    used: Used | None,
) -> Trained:
    train, fitted = folds.train, ladder.fitted
    walk_of = {task: walk for walk in walks for task in walk.tasks}
    steps = {task: walk.step for task, walk in walk_of.items()}
    usual = Counter(steps.values()).most_common(1)[0][0]
    router = LearnedRouter(
        read.encoder,
        read.surface,
        tiers.names,
        train.task_names,
        fitted.router,
        fitted.cost,
        fitted.top_cost_usd,
        latency=fitted.latency.model,
    )
    run = run_by_task(ladder, folds.test, steps)
    handled_at = np.array([walk_of[task].wanted.target.handled_at for task in train.task_names])
    return Trained(
        encoder=read.encoder,
        router=router,
        stop_rule=ladder.rule(usual, train, {task: step for task, step in steps.items() if step != usual}),
        tiers=tiers,
        prices=prices,
        tasks={task: _task(task, walk_of[task], folds, run) for task in train.task_names},
        point=measure_handled(run, folds.test, handled_at[folds.test.task]),
        fits=_tier_fits(ladder, train, folds.calibrate),
        sizes=folds.sizes,
        notes=(*tiers.notes, *_by_name(fitted.router.fallbacks, train), *(used.notes if used is not None else ())),
    )


def _by_name(fallbacks: Sequence[str], rows: Rows) -> list[str]:
    """What fits say of tiers and tasks by number, from 1, by name."""
    names = {"tier": rows.tiers, "task": rows.task_names}
    parts = [fallback.partition(":") for fallback in fallbacks]
    spoken = [(*head.split(), rest) for head, _, rest in parts]
    return [f"{kind} {names[kind][int(number) - 1]}:{rest}." for kind, number, rest in spoken]


def run_by_task(ladder: ContinuationLadder, rows: Rows, steps: Mapping[str, int]) -> Run:
    """Each query under the policy of its task."""
    step = np.array([steps[task] for task in rows.task_names], dtype=np.int64)[rows.task]
    final, called = np.zeros(rows.n, dtype=np.int64), np.zeros(rows.quality.shape, dtype=np.bool_)
    for which in np.unique(step):
        run, at = ladder.run(rows, int(which)), step == which
        final[at], called[at] = run.final[at], run.called[at]
    return Run(final, called)


def _task(task: str, walk: Walk, folds: _Folds, run: Run) -> TaskTrained:
    position = folds.train.task_names.index(task)
    tested = np.flatnonzero(folds.test.task == position)
    point = None
    if len(tested):
        part = Run(run.final[tested], run.called[tested])
        point = measure_run(part, take(folds.test, tested), walk.wanted.target)
    return TaskTrained(walk, int((folds.calibrate.task == position).sum()), point)


def _tier_fits(ladder: ContinuationLadder, fold: Rows, calibrate: Rows) -> tuple[TierFit, ...]:
    expected = ladder.fitted.router.estimate(calibrate.features, calibrate.task)
    means = np.broadcast_to(fold.quality.mean(axis=0), expected.shape)
    return tuple(
        TierFit(
            tier,
            float(calibrate.quality[:, k].mean()),
            log_loss(calibrate.quality[:, k], expected[:, k]),
            log_loss(calibrate.quality[:, k], means[:, k]),
        )
        for k, tier in enumerate(calibrate.tiers)
    )


def log_loss(quality: FloatArray, expected: FloatArray) -> float:
    """Mean cross-entropy in nats, both of shape (n,) in [0, 1]; estimates are kept 0.001 away from 0 and 1."""
    p = np.clip(expected, _EDGE, 1.0 - _EDGE)
    return float(-(quality * np.log(p) + (1.0 - quality) * np.log(1.0 - p)).mean())
