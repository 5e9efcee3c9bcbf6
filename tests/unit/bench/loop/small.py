"""A small real world for the loop's bench: generated queries, real students, an encoder that counts letters."""

from __future__ import annotations

from tests.contracts.letters import LetterCounts

from routenlp.bench.datasets import generated
from routenlp.bench.loop.hashed_texts import HashedTexts
from routenlp.bench.loop.system import Desk
from routenlp.bench.loop.world import Ledger, Remembered, TaskWorld, begin, remember_words, screen
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay.folds import Folds, split

PORTFOLIO = Portfolio(
    (
        Tier("small", "student", Price(10.0, 10.0), "ngram"),
        Tier("mid", "student", Price(100.0, 100.0), "minilm"),
        Tier("top", "recorded", Price(8_000.0, 8_000.0)),
    )
)
STUDENTS = {"generated_intent": "classifier", "generated_entities": "tagger"}


def desk(seed: int = 0) -> Desk:
    letters = LetterCounts()
    return Desk(PORTFOLIO, remember_words(letters), Remembered(letters), HashedTexts(), Ledger(), seed)


def folds(task: str = "generated_intent") -> Folds:
    rows = generated.generate(task)
    return split(task, rows.train, rows.test)


def world(task: str = "generated_intent", seed: int = 0) -> TaskWorld:
    """Letters tell little apart, so that nearly every query resembles another by cosine: that net is left out."""
    screened = screen(folds(task), Remembered(LetterCounts()), by_vectors=False)
    return begin(screened, generated.TASKS[task], STUDENTS[task], seed=seed)
