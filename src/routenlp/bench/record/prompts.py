"""Prompts of both generators: retrieved examples, and for earnings calls the sentences worth reading.

Examples come from the start of the training fold alone, and never of a row's own group. A call of some 4,000 tokens is
read down to the sentences that the cheap tiers' sentence model ranks highest (for rows that it was fitted on: a model
of the other half), so that a small model has before it what a summary draws on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from routenlp.backends.student.picker import Picking, SentenceModel, Shortlist
from routenlp.backends.student.replies import Context, ContextIndex, best, read_context
from routenlp.backends.student.retriever import FIELD_WEIGHTS
from routenlp.backends.student.transcripts import index, read_transcript
from routenlp.bench.record.asked import Asked
from routenlp.bench.record.roles import by_fold, in_start, role
from routenlp.replay.folds import Folds
from routenlp.training import picker, retriever
from routenlp.types import Example

Advance = Callable[[int, int], None]

SHOWN_REPLIES, SHOWN_SUMMARIES = 6, 3
"""Examples in the tuned model's prompt."""
TURNS_REPLIES, TURNS_SUMMARIES = 3, 2
"""Examples in the prompted model's."""
SENTENCES, BRIEF_SENTENCES, EXAMPLE_SENTENCES = 20, 12, 6
"""Of a call: in the tuned model's prompt, in the prompted model's, and in an example of that."""
MOST_CHARS, EXAMPLE_CHARS = 1_200, 240
"""Of a conversation, and of an example in the tuned model's prompt: what comes before is cut."""
_SENTENCE_CHARS = 320


@dataclass(frozen=True, slots=True)
class _Shown:
    """An example that may be shown."""

    group: str
    text: str
    brief: str
    """Its text, as the prompted model sees it."""
    answer: str


@dataclass(frozen=True, slots=True)
class _Texts:
    """What each generator sees of a query, by its id."""

    whole: Mapping[str, str]
    brief: Mapping[str, str]


def ask_replies(folds: Folds, advance: Advance) -> Iterator[Asked]:
    """Rows of cs_response."""
    start = [e for e in folds.train.examples if in_start(e)]
    bank = [_Shown(e.group, _tail(e.query.text), _tail(e.query.text), e.reference) for e in start]
    contexts = retriever.index_contexts([read_context(e.query.text) for e in start])

    def tuned(text: str, shown: Sequence[_Shown]) -> str:
        replies = "\n\n".join(
            f"{_tail(example.text, EXAMPLE_CHARS)}\nReply: {example.answer}" for example in shown[::-1]
        )
        return f"{replies}\n\n---\n{text}\nReply:"

    find = _Finder(contexts, bank, SHOWN_REPLIES)
    texts = {e.query.id: _tail(e.query.text) for part in by_fold(folds).values() for e in part}
    return _ask(
        folds, _Texts(texts, texts), lambda e: find(read_context(e.query.text), e.group), tuned, TURNS_REPLIES, advance
    )


def ask_summaries(folds: Folds, advance: Advance, *, seed: int) -> Iterator[Asked]:
    """Rows of fin_summarisation."""
    start = [e for e in folds.train.examples if in_start(e)]
    studied = picker.study(start, seed=seed, picking=Picking(shortlist=SENTENCES))
    known = dict(zip(studied.ids, studied.shortlists, strict=True))
    lists = {e.query.id: known.get(e.query.id) or _read(studied.model, e) for p in by_fold(folds).values() for e in p}
    texts = {name: _told(found, SENTENCES) for name, found in lists.items()}
    bank = [_Shown(e.group, texts[e.query.id], _told(lists[e.query.id], EXAMPLE_SENTENCES), e.reference) for e in start]
    contexts = retriever.index_contexts([Context(example.text, "", "") for example in bank])
    find = _Finder(contexts, bank, SHOWN_SUMMARIES)

    def tuned(text: str, shown: Sequence[_Shown]) -> str:
        summaries = "\n\n".join(example.answer for example in shown[::-1])
        return f"Headlines of like calls:\n{summaries}\n\n---\n{text}\n\nHeadlines:"

    brief = {name: _told(found, BRIEF_SENTENCES) for name, found in lists.items()}
    whole = _Texts(texts, brief)
    return _ask(
        folds, whole, lambda e: find(Context(texts[e.query.id], "", ""), e.group), tuned, TURNS_SUMMARIES, advance
    )


def _ask(
    folds: Folds,
    texts: _Texts,
    find: Callable[[Example], list[_Shown]],
    tuned: Callable[[str, Sequence[_Shown]], str],
    turns: int,
    advance: Advance,
) -> Iterator[Asked]:
    rows = [(fold, e) for fold, part in by_fold(folds).items() for e in part]
    for i, (fold, example) in enumerate(rows):
        advance(i, len(rows))
        text, shown = texts.whole[example.query.id], find(example)
        said = [(("user", one.brief), ("assistant", one.answer)) for one in shown[:turns][::-1]]
        yield Asked(
            example.query.id,
            example.group,
            fold,
            role(fold, example),
            fold == "train" and in_start(example),
            example.reference,
            text,
            texts.brief[example.query.id],
            tuple(one.answer for one in shown),
            tuple(turn for pair in said for turn in pair),
            tuned(text, shown),
        )


@dataclass(frozen=True, slots=True)
class _Finder:
    index: ContextIndex
    bank: Sequence[_Shown]
    count: int

    def __call__(self, context: Context, group: str) -> list[_Shown]:
        """The nearest examples with different answers, nearest first."""
        similarity = FIELD_WEIGHTS @ self.index.similarities(context)
        similarity[[i for i, one in enumerate(self.bank) if one.group == group]] = -np.inf
        first: dict[str, _Shown] = {}
        for i in best(similarity, 4 * self.count).tolist():
            first.setdefault(self.bank[i].answer, self.bank[i])
        return list(first.values())[: self.count]


def _tail(text: str, most: int = MOST_CHARS) -> str:
    """The end of a conversation, from the beginning of a turn if one begins there."""
    if len(text) <= most:
        return text
    end = text[-most:]
    return end[end.find("\n") + 1 :]


def _read(model: SentenceModel, example: Example) -> Shortlist:
    return model.shortlist(index(read_transcript(example.query.text), model.lexicon))


def _told(shortlist: Shortlist, most: int) -> str:
    """The quarter, then sentences, the likeliest to be drawn on first."""
    order = np.argsort([-span.logit for span in shortlist.spans], kind="stable")[:most]
    sentences = shortlist.sentences()
    lines = [f"- {sentences[i][:_SENTENCE_CHARS]}" for i in order.tolist()]
    return "\n".join([f"Quarter: {shortlist.transcript.quarter or 'not named'}", *lines])
