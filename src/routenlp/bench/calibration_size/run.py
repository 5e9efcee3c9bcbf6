"""The whole bench: every rule, many times, at every calibration size, on its own task and away from it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from routenlp.bench.calibration_size.answers import OTHER_DOMAIN, TaskAnswers
from routenlp.bench.calibration_size.deployed import Ints, effects, fix_ladder
from routenlp.bench.calibration_size.measure import Figures, Trial, figures
from routenlp.bench.calibration_size.published import SIZES
from routenlp.bench.calibration_size.rules import CERTIFYING, PAPER, Deployed, certify, publish
from routenlp.bench.progress import Progress
from routenlp.replay.recorded import Recorded

DRAWS = 500
TASKS = ("cs_intent", "legal_clause", "legal_risk", "fin_ner")
"""The structured tasks: an answer is right or wrong, or (entities) nearly so."""
SHIFTED_SIZE = 500
"""Calibration rows under shift: the paper's setting."""
FRESH = "fresh rows"


@dataclass(frozen=True, slots=True)
class Result:
    """All figures."""

    same: tuple[Figures, ...]
    """On fresh rows of the task that the thresholds come from."""
    shifted: tuple[Figures, ...]
    """On rows of another source, task or domain."""
    rows: Mapping[str, tuple[int, int, int]]
    """By task: training rows behind the ladder, rows drawn from, rows of the test fold."""
    steps: Mapping[str, int]
    """By task: policies of the ladder."""


def measure(answers: Mapping[str, TaskAnswers], progress: Progress, *, draws: int = DRAWS, seed: int = 0) -> Result:
    """Calibrate `draws` times at each size on rows drawn with replacement from each task's untrained rows."""
    same: list[Figures] = []
    shifted: list[Figures] = []
    steps: dict[str, int] = {}
    with progress.stage(f"calibrating {draws:,} times a rule and size") as advance:
        for done, (task, mine) in enumerate(answers.items()):
            ladder = fix_ladder(mine.train)
            steps[task] = len(ladder)
            found = effects(mine.untrained, ladder)
            elsewhere = _elsewhere(task, answers)
            for i, n in enumerate(SIZES):
                rows = drawn(mine.untrained.n, n=n, draws=draws, seed=_seed(seed, task, n))
                for rule in (PAPER, *CERTIFYING):
                    if rule == PAPER:
                        deployed = publish(mine.untrained, rows)
                    else:
                        deployed = certify(CERTIFYING[rule], ladder, mine.train, found, rows)
                    same.append(figures(Trial(task, FRESH, rows, mine.untrained, within=True), rule, deployed))
                    if n == SHIFTED_SIZE:
                        shifted += _judge_elsewhere(task, rows, rule, deployed, elsewhere)
                advance(done * len(SIZES) + i + 1, len(answers) * len(SIZES))
    sizes = {t: (a.train.n, a.untrained.n, a.test.n) for t, a in answers.items()}
    return Result(tuple(same), tuple(shifted), sizes, steps)


def drawn(rows: int, *, n: int, draws: int, seed: int) -> Ints:
    """Calibration sets of `n` rows drawn with replacement, shape (draws, n): independent draws from `rows` rows."""
    return np.random.default_rng(seed).integers(rows, size=(draws, n))


def _seed(seed: int, task: str, n: int) -> int:
    return zlib.crc32(f"{seed}/{task}/{n}".encode())


def _elsewhere(task: str, answers: Mapping[str, TaskAnswers]) -> dict[str, Recorded]:
    """Where else a task's thresholds are tried: its test fold, the next task's queries, another domain's."""
    names = list(answers)
    following = names[(names.index(task) + 1) % len(names)]
    out = {f"{task}, test split": answers[task].test}
    if following != task:
        out[f"{following}, its own students"] = answers[following].untrained
    shifted = answers[task].shifted
    if shifted is not None:
        out[f"{OTHER_DOMAIN} queries"] = shifted
    return out


def _judge_elsewhere(
    task: str, rows: Ints, rule: str, deployed: Deployed, elsewhere: Mapping[str, Recorded]
) -> list[Figures]:
    return [
        figures(Trial(task, where, rows, fresh, within=False), rule, deployed) for where, fresh in elsewhere.items()
    ]
