"""RouteLLM's own outcome table: who tells best which queries need GPT-4, with few labels.

Of each seed some labelled queries are drawn at random; the others are ranked, less those whose words, but for case and
punctuation, are those of a training query. The rank is the expected quality of the strong tier less the weak one's.

What was chosen by looking (which vectors, which kinds) was chosen on MMLU queries of an even hash; the settings with
1,500 labels train and test on the odd ones alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from routenlp.bench.router.yardsticks import YARDSTICKS, Labelled
from routenlp.contracts import Estimator
from routenlp.replay.backtest.measures import apgr, cpt, pgr
from routenlp.training.outcomes_present import Fitted
from routenlp.training.stack_fit import FITS, fit_stack
from routenlp.training.text_features import TextCounts, fit_text_features
from routenlp.types import FloatArray, Vectors

_NOT_WORDS = re.compile(r"\W+")
SENTENCES = " + MiniLM"
"""Added to a system's name where sentence vectors stand beside the hashed n-grams."""
OURS = f"factors{SENTENCES}"
"""The one that targets are about: best on the even half."""
POINTS = 1_000
"""Of the curve: shares of strong calls at which it is read."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the comparison."""

    name: str
    task: str
    labels: int
    by_subject: bool
    """Whether the subject is given as the task."""
    target: float
    """APGR aimed at."""
    published: float
    """RouteLLM's best on that set."""
    odd: bool = False
    """Whether queries of an even hash are left out."""


SETTINGS = (
    Setting("MMLU, 1,500 labels, text alone", "mmlu", 1_500, False, 0.645, 0.603, odd=True),
    Setting("MMLU, 1,500 labels, subject as task", "mmlu", 1_500, True, 0.665, 0.603, odd=True),
    Setting("MMLU, 6,000 labels, subject as task", "mmlu", 6_000, True, 0.675, 0.603),
    Setting("GSM8K, 650 labels, text alone", "gsm8k", 650, False, 0.625, 0.622),
)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """All queries of one of RouteLLM's sets. `quality`: weak and strong, shape (n, 2)."""

    texts: Sequence[str]
    subject: NDArray[np.int64]
    quality: FloatArray
    counts: TextCounts
    sentences: Vectors | None
    """Sentence vectors, shape (n, d); None where there is no sentence encoder."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """How one system ranked the test queries of one seed."""

    setting: str
    system: str
    seed: int
    apgr: float
    cpt50: float
    cpt80: float
    tested: int


def rank(pairs: Pairs, setting: Setting, seed: int) -> Iterator[Ranking]:
    """Every system on one split."""
    train, test = split(pairs.texts, setting.labels, seed, odd=setting.odd)
    for system, predict in systems(pairs, setting, train, test, seed).items():
        yield score(setting.name, system, seed, predict(), pairs.quality[test])


def split(texts: Sequence[str], labels: int, seed: int, *, odd: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training rows drawn at random, and the others, less those that repeat a training text. `odd`: of these alone."""
    words = np.array([int(hashlib.sha256(_words(t)).hexdigest()[:8], 16) for t in texts])
    usable = np.flatnonzero(words % 2 == 1) if odd else np.arange(len(texts))
    order = np.random.default_rng([seed, labels]).permutation(usable)
    train, rest = np.sort(order[:labels]), np.sort(order[labels:])
    return train, rest[~np.isin(words[rest], words[train])]


def _words(text: str) -> bytes:
    return _NOT_WORDS.sub(" ", text.lower()).strip().encode("utf-8", "surrogatepass")


def systems(
    pairs: Pairs, setting: Setting, train: NDArray[np.int64], test: NDArray[np.int64], seed: int
) -> Mapping[str, Callable[[], FloatArray]]:
    """By name, what gives each test query its rank."""
    labelled, asked = (_labelled(pairs, rows) for rows in (train, test))
    task = pairs.subject if setting.by_subject else np.zeros(len(pairs.texts), dtype=np.int64)
    features = fit_text_features(pairs.counts, train, seed=seed)

    gain = partial(_expected_gain, task=task, quality=pairs.quality, train=train, test=test, seed=seed)
    kinds: dict[str, Callable[..., Fitted[Estimator]]] = {**FITS, "stack": fit_stack}
    found: dict[str, Callable[[], FloatArray]] = {
        name: partial(yardstick, labelled, asked)
        for name, yardstick in YARDSTICKS.items()
        if name != "subject mean" or setting.by_subject
    }
    found |= {name: partial(gain, fit, features) for name, fit in kinds.items()}
    if pairs.sentences is not None:
        both = np.concatenate([features, pairs.sentences], axis=1)
        found |= {f"{name}{SENTENCES}": partial(gain, kinds[name], both) for name in ("logistic", "factors", "stack")}
    return found


def _labelled(pairs: Pairs, rows: NDArray[np.int64]) -> Labelled:
    return Labelled(
        [pairs.texts[i] for i in rows], pairs.subject[rows], pairs.quality[rows, 1] - pairs.quality[rows, 0]
    )


def _expected_gain(
    fit: Callable[..., Fitted[Estimator]],
    features: Vectors,
    *,
    task: NDArray[np.int64],
    quality: FloatArray,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    seed: int,
) -> FloatArray:
    tasks, low, high = int(task.max()) + 1, np.zeros(2), np.ones(2)
    fitted = fit(features[train], task[train], quality[train], train, tasks=tasks, seed=seed, low=low, high=high)
    expected = fitted.model.estimate(features[test], task[test])
    return np.asarray(expected[:, 1] - expected[:, 0])


def score(setting: str, system: str, seed: int, ranks: FloatArray, quality: FloatArray) -> Ranking:
    """The curve of quality over the share of queries that go to the strong tier, largest rank first."""
    order = np.argsort(-ranks, kind="stable")
    gained = np.concatenate([[0.0], np.cumsum(quality[order, 1] - quality[order, 0])]) / len(order)
    weak, strong = float(quality[:, 0].mean()), float(quality[:, 1].mean())
    share = np.linspace(0.0, 1.0, POINTS + 1)
    recovered = pgr(weak + np.interp(share, np.linspace(0.0, 1.0, len(gained)), gained), weak, strong)
    return Ranking(
        setting,
        system,
        seed,
        apgr(share, recovered),
        cpt(share, recovered, 0.5),
        cpt(share, recovered, 0.8),
        len(order),
    )
