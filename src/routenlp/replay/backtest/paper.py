"""The paper's own rule on a recording, beside the rules that bound wrong answers: what it holds and what not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from routenlp.conformal.paper import PaperThreshold, paper_threshold
from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.points import measure_run
from routenlp.replay.backtest.result import PaperResult
from routenlp.replay.backtest.rows import Rows, Run
from routenlp.replay.intervals import Interval, wilson


def paper_result(calibrate: Rows, test: Rows, target: Target) -> PaperResult:
    """Thresholds per cheap tier (all tasks as one) at `target.alpha`, climbed from the cheapest tier, on test rows."""
    found = [_threshold(calibrate, k, target) for k in range(len(calibrate.tiers) - 1)]
    limits = tuple(t.threshold for t in found)
    if not any(t.n for t in found):
        return PaperResult(target.alpha, limits, Status.UNCERTIFIED, test=None, p_escalated_given_correct=None)
    run = _climb(test, limits)
    return PaperResult(
        target.alpha,
        limits,
        _status(found, grouped=len(np.unique(calibrate.groups)) < calibrate.n),
        test=measure_run(run, test, target),
        p_escalated_given_correct=_needless(run, test, target),
    )


def _status(found: Sequence[PaperThreshold], *, grouped: bool) -> Status:
    """As `conformal.paper_report` has it: the promise needs enough correct answers, exchangeable one by one."""
    if not all(t.promise_given for t in found):
        return Status.UNCERTIFIED
    return Status.EMPIRICAL if grouped else Status.CERTIFIED


def _threshold(rows: Rows, k: int, target: Target) -> PaperThreshold:
    return paper_threshold(1.0 - rows.confidence[:, k], rows.quality[:, k] >= target.handled_at, target.alpha)


def _climb(rows: Rows, limits: tuple[float | None, ...]) -> Run:
    top = len(rows.tiers) - 1
    accepts = np.ones((rows.n, top + 1), dtype=bool)
    for k, limit in enumerate(limits):
        # An answer without a confidence is NaN, which no comparison accepts.
        accepts[:, k] = False if limit is None else 1.0 - rows.confidence[:, k] <= limit
    final = accepts.argmax(axis=1).astype(np.int64)
    return Run(final, np.arange(top + 1) <= final[:, None])


def _needless(run: Run, rows: Rows, target: Target) -> Interval:
    """Of the cheap tiers' correct answers, the share that was escalated."""
    position = np.arange(len(rows.tiers) - 1)
    correct = run.called[:, :-1] & (rows.quality[:, :-1] >= target.handled_at)
    escalated = correct & (position != run.final[:, None])
    return wilson(int(escalated.sum()), int(correct.sum()))
