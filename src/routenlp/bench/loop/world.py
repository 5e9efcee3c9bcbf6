"""One task of the bench: a tenth of the training rows to begin with, the rest as traffic without labels.

Traffic that resembles a calibration, gate or test row stays traffic, but no arm may learn from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from routenlp.contracts import Encoder, TokenEncoder
from routenlp.loop.contamination import Prints, find_overlaps, take_prints
from routenlp.replay.folds import Folds, row_hash
from routenlp.types import Example, Task, Vectors

START = 0.10
"""Share of the training rows that the first tiers are trained on."""
FEWEST_START = 60


def sentence(rich: Vectors) -> Vectors:
    """The first of the three blocks of rich vectors: what cosines are taken of."""
    return rich[:, : rich.shape[1] // 3]


def middle(rich: Vectors) -> Vectors:
    """The second block: what the router reads, and what failures are clustered by."""
    third = rich.shape[1] // 3
    return rich[:, third : 2 * third]


@dataclass(slots=True)
class Remembered:
    """An encoder whose vectors stay in memory: every row is encoded once, whatever the number of rounds."""

    inner: Encoder
    _known: dict[str, Vectors] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The wrapped encoder's."""
        return self.inner.name

    @property
    def dim(self) -> int:
        """The wrapped encoder's."""
        return self.inner.dim

    def encode(self, texts: Sequence[str]) -> Vectors:
        """float32 of shape (len(texts), dim)."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            self._known.update(zip(missing, self.inner.encode(missing), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else np.zeros((0, self.dim), dtype=np.float32)


@dataclass(slots=True)
class RememberedWords(Remembered):
    """A token encoder whose word vectors stay in memory too, in half precision, which loses nothing of theirs."""

    words: TokenEncoder | None = None
    _of_words: dict[tuple[str, ...], NDArray[np.float16]] = field(default_factory=dict)

    @property
    def tokenizer_json(self) -> str:
        """The wrapped encoder's."""
        return self._token_encoder().tokenizer_json

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> list[Vectors]:
        """For each list of words, float32 of shape (len(words), d)."""
        keys = [tuple(words) for words in sentences]
        missing = [key for key in dict.fromkeys(keys) if key not in self._of_words]
        if missing:
            found = self._token_encoder().encode_words(missing)
            self._of_words.update((k, m.astype(np.float16)) for k, m in zip(missing, found, strict=True))
        return [self._of_words[key].astype(np.float32) for key in keys]

    def _token_encoder(self) -> TokenEncoder:
        assert self.words is not None, "made by `remember_words`"
        return self.words


def remember_words(encoder: TokenEncoder) -> RememberedWords:
    """Both kinds of vectors of `encoder` in memory."""
    return RememberedWords(encoder, words=encoder)


@dataclass(frozen=True, slots=True)
class TaskWorld:
    """One task as the arms meet it, for one seed."""

    task: Task
    student: str
    folds: Folds
    start: tuple[Example, ...]
    """What the first tiers are trained on."""
    traffic: tuple[Example, ...]
    """What arrives; a reference is what the teacher says when it is asked, and is looked at only then."""
    barred: NDArray[np.bool_]
    """Traffic that resembles a held-out row, shape (traffic,)."""
    held_out: Prints
    """Of the calibration, gate and test rows."""


def held_out_rows(folds: Folds) -> tuple[Example, ...]:
    """Rows that judge what was learned."""
    return (*folds.calibrate.examples, *folds.gate.examples, *folds.test.examples)


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """One task's training rows, with those that resemble held-out rows marked. The same for all seeds."""

    folds: Folds
    overlaps: NDArray[np.bool_]
    held_out: Prints


def screen(folds: Folds, rich: Encoder, *, by_vectors: bool = True) -> Screened:
    """Compare every training row with every held-out row: by text, by words, and `by_vectors` too."""
    rows, held_out = folds.train.examples, held_out_rows(folds)
    sides = [
        take_prints(
            [e.query for e in part], sentence(rich.encode([e.query.text for e in part])) if by_vectors else None
        )
        for part in (rows, held_out)
    ]
    marked = np.zeros(len(rows), dtype=np.bool_)
    marked[[overlap.lesson for overlap in find_overlaps(*sides)]] = True
    return Screened(folds, marked, sides[1])


def begin(screened: Screened, task: Task, student: str, *, seed: int) -> TaskWorld:
    """Draw the rows to start with, among those that resemble no held-out row; the rest is traffic, in random order."""
    rows = screened.folds.train.examples
    order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
    clean = order[~screened.overlaps[order]]
    start = clean[: max(round(START * len(rows)), min(FEWEST_START, len(clean)))]
    rest = order[~np.isin(order, start)]
    return TaskWorld(
        task,
        student,
        screened.folds,
        tuple(rows[i] for i in start),
        tuple(rows[i] for i in rest),
        screened.overlaps[rest],
        screened.held_out,
    )


@dataclass(slots=True)
class Ledger:
    """What training calls received, so that it can be shown what they never did."""

    received: set[str] = field(default_factory=set)

    def enter(self, examples: Sequence[Example]) -> None:
        """Called with the very rows that a fit is given."""
        self.received.update(row_hash(example) for example in examples)

    def seen_of(self, held_out: Sequence[Example]) -> int:
        """How many of these rows any fit received: 0, or the bench is worth nothing."""
        return sum(row_hash(example) in self.received for example in held_out)
