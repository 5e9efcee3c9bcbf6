"""How generated texts are graded: by ROUGE-L, with likeness of meaning and an estimate without reference beside it.

Embedding similarity is the cosine of the sentence encoder's vectors of answer and reference. The quality estimate is
fitted on training rows and read on test rows; how far it agrees with ROUGE-L there is part of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from routenlp.bench.six_tasks.run import Result
from routenlp.bench.six_tasks.table import Table, interval
from routenlp.contracts import Encoder
from routenlp.replay.backtest.measures import auroc
from routenlp.replay.intervals import Interval, RowRatio, paired_bootstrap
from routenlp.replay.recorded import Recorded
from routenlp.training.quality_estimate import QualityEstimate, fit_quality_estimate
from routenlp.types import Answer, FloatArray, Query

DRAWS = 1_000
"""Of the bootstrap behind rank correlations."""


@dataclass(frozen=True, slots=True, eq=False)
class Graded:
    """One tier's answers to one task's test rows, all of shape (n,)."""

    rouge_l: FloatArray
    similarity: FloatArray
    estimate: FloatArray
    confidence: FloatArray
    """1 - u; NaN where the tier gives no probabilities."""


def grade(result: Result, encoder: Encoder, *, seed: int) -> dict[str, dict[str, Graded]]:
    """By task that is graded by ROUGE-L, then tier."""
    out: dict[str, dict[str, Graded]] = {}
    for task, tested in result.recorded.items():
        if result.prepared.frame.tasks[task].metric != "rouge_l":
            continue
        estimate = _fit(result, task, seed)
        queries = [result.examples[i].query for i in tested.ids]
        reference = encoder.encode([result.examples[i].reference for i in tested.ids])
        out[task] = {}
        for k, tier in enumerate(tested.tiers):
            answers = [row[k] for row in tested.answers]
            said = encoder.encode([answer.text for answer in answers])
            likeness = np.asarray((said * reference).sum(axis=1), dtype=np.float64)
            out[task][tier] = Graded(
                tested.quality[:, k], likeness, estimate.of(queries, answers), 1.0 - tested.score[:, k]
            )
    return out


def _fit(result: Result, task: str, seed: int) -> QualityEstimate:
    """On training rows, with the answers of every tier, none of which had seen the row."""
    known, trained = result.prepared.training[task]
    queries: list[Query] = []
    answers: list[Answer] = []
    for example, row in zip(known, trained.answers, strict=True):
        queries += [example.query] * len(row)
        answers += row
    groups = np.unique(np.array(trained.groups), return_inverse=True)[1].astype(np.int64)
    spread = np.repeat(groups, len(trained.tiers))
    return fit_quality_estimate(
        result.prepared.frame.encoder, queries, answers, trained.quality.reshape(-1), spread, seed=seed
    )


def grading_table(result: Result, graded: Mapping[str, Mapping[str, Graded]], *, seed: int) -> Table:
    """A row a task and tier."""
    rows = []
    for task, tiers in graded.items():
        tested = result.recorded[task]
        for tier, its in tiers.items():
            means = (_mean(value, tested, seed) for value in (its.rouge_l, its.similarity, its.estimate))
            handled = _mean((its.rouge_l >= tested.handled_at).astype(np.float64), tested, seed)
            rows.append((task, tier, *(interval(mean) for mean in means), interval(handled)))
    heads = ("task", "tier", "ROUGE-L", "embedding similarity", "estimated quality", "handled")
    return Table("How the answers are graded, test rows", heads, tuple(rows))


def agreement_table(result: Result, graded: Mapping[str, Mapping[str, Graded]], *, seed: int) -> Table:
    """How the quality estimate, the tier's own confidence and the similarity rank answers, beside ROUGE-L."""
    rows = []
    for task, tiers in graded.items():
        handled_at = result.recorded[task].handled_at
        for tier, its in tiers.items():
            ranks = (_rank(value, its.rouge_l, seed) for value in (its.estimate, its.confidence, its.similarity))
            handled = (its.rouge_l >= handled_at).astype(np.float64)
            areas = (auroc(value, handled) for value in (its.estimate, its.confidence))
            rows.append(
                (task, tier, *(interval(r, 2) for r in ranks), *("–" if a is None else f"{a:.2f}" for a in areas))
            )
    heads = (
        "task",
        "tier",
        "estimate and ROUGE-L, rank correlation",
        "1 - u and ROUGE-L",
        "similarity and ROUGE-L",
        "AUROC of the estimate for handled",
        "of 1 - u",
    )
    return Table("How far grades without a reference agree with ROUGE-L, test rows", heads, tuple(rows))


def _mean(value: FloatArray, tested: Recorded, seed: int) -> Interval:
    ones = np.ones(tested.n)
    return paired_bootstrap({"": RowRatio(value, ones)}, tested.groups, seed=seed, draws=DRAWS).interval("")


def _rank(value: FloatArray, rouge_l: FloatArray, seed: int) -> Interval:
    """Spearman's rank correlation; rows are drawn one by one."""
    from scipy.stats import spearmanr  # half a second to load, and the demo ranks nothing

    known = ~np.isnan(value)
    x, y = value[known], rouge_l[known]
    if len(x) < 3 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return Interval(None, None, None)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(DRAWS // 5):
        rows = rng.integers(0, len(x), size=len(x))
        drawn.append(float(spearmanr(x[rows], y[rows]).statistic))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(float(spearmanr(x, y).statistic), float(low), float(high))
