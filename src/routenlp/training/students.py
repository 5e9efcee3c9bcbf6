"""Which fits make the students of a task: by kind of student, for every model that the portfolio's tiers name.

The models of one task are fitted together, because the dearer one builds on what the cheaper one has studied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from routenlp.contracts import Encoder, Student, TokenEncoder
from routenlp.errors import SettingsError
from routenlp.training import picker, retriever, tagger
from routenlp.training.classifier import fit_classifiers
from routenlp.training.fitted import FittedStudent
from routenlp.types import TrainingFold

NGRAM, MINILM = "ngram", "minilm"
"""Names of models in the settings: hashed n-grams alone, or with MiniLM's vectors."""


Fitted = FittedStudent[Student]


@dataclass(frozen=True, slots=True)
class Job:
    """One task's fit."""

    fold: TrainingFold
    encoder: TokenEncoder
    rich: Encoder
    """The same model's longer vectors, for heads that can use them."""
    handled_at: float
    seed: int


def _classifiers(job: Job, models: Sequence[str]) -> dict[str, Fitted]:
    pair = fit_classifiers(job.fold, job.rich)
    made: dict[str, Fitted] = {NGRAM: pair.ngram, MINILM: pair.minilm}
    return {m: made[m] for m in models}


def _taggers(job: Job, models: Sequence[str]) -> dict[str, Fitted]:
    encoders = {NGRAM: None, MINILM: job.encoder}
    return {m: tagger.fit_tagger(job.fold.examples, encoder=encoders[m], seed=job.seed) for m in models}


def _pickers(job: Job, models: Sequence[str]) -> dict[str, Fitted]:
    studied = picker.study(job.fold.examples, seed=job.seed)
    made: dict[str, Callable[[], Fitted]] = {
        NGRAM: lambda: picker.fit_sentence_picker(studied, handled_at=job.handled_at),
        MINILM: lambda: picker.fit_vector_picker(studied, job.encoder, handled_at=job.handled_at),
    }
    return {m: made[m]() for m in models}


def _retrievers(job: Job, models: Sequence[str]) -> dict[str, Fitted]:
    rows = job.fold.examples
    made: dict[str, Callable[[], Fitted]] = {
        NGRAM: lambda: retriever.fit_nearest_reply(rows, handled_at=job.handled_at),
        MINILM: lambda: retriever.fit_reranked_reply(rows, job.encoder, handled_at=job.handled_at),
    }
    return {m: made[m]() for m in models}


FITS: Mapping[str, Callable[[Job, Sequence[str]], dict[str, Fitted]]] = {
    "classifier": _classifiers,
    "tagger": _taggers,
    "picker": _pickers,
    "retriever": _retrievers,
}


def fit(kind: str | None, models: Sequence[str | None], job: Job) -> dict[str, Fitted]:
    """Students by model. Raises `SettingsError` for an unknown kind or model, `TrainingError` for too few rows."""
    if kind is None or kind not in FITS:
        raise SettingsError(f"tasks.{job.fold.task}.student", f"is {kind!r}", f"Choose one of {', '.join(FITS)}.")
    known = [m for m in models if m in (NGRAM, MINILM)]
    if len(known) < len(models):
        raise SettingsError("portfolio.model", f"is among {list(models)}", f"Students are {NGRAM} or {MINILM}.")
    return FITS[kind](job, [m for m in known if m is not None])
