"""When an answer that is still being written is given out for good, and when it is given up.

A tier writes token by token. What is there of its answer is a *prefix*, and a prefix has a score as a whole answer has:

    abort_from        the commit point: `tokens` of them, or the end of the first sentence
        │ score > abort: cancel    │ score <= threshold: release for good
    ────┴──────────────────────────┴─ score > threshold: cancel, and escalate at once

A released answer stands, whatever its whole score turns out to be; a cancelled one is never returned. An answer that
ends before its commit point is judged whole, by the stop rule. Without a threshold nothing is released before its end,
and without `abort` nothing is cancelled: then the answer is *buffered*, as it is without any commit rule.

Every verdict is about one number of tokens, so that it does not depend on how a network cuts a stream into pieces.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routenlp.errors import SettingsError

SENTENCE_FROM = 4
"""Tokens under which nothing counts as a sentence: greetings, numbers of a list, `Dr.`"""
ABORT_FROM = 4
"""Tokens under which nothing is aborted."""
_SENTENCE = re.compile(r"\S[.!?…。！？][\"'”’)\]]*(?=\s)|\S\n|[。！？]")


@dataclass(frozen=True, slots=True)
class CommitPoint:
    """Where a stream is released or cancelled."""

    tokens: int
    """This many tokens; 1 or more."""
    sentence: bool = False
    """At the end of the first sentence, where that comes before."""

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise SettingsError("commit point", f"is at {self.tokens} tokens", "Choose 1 token or more.")

    def __str__(self) -> str:
        return f"sentence, {self.tokens} tokens at most" if self.sentence else f"{self.tokens} tokens"


@dataclass(frozen=True, slots=True)
class Prefix:
    """What is there of an answer."""

    text: str
    """Without what half a character's bytes stand for."""
    token_probs: tuple[float, ...]
    """Of its tokens, in order."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is decided yet."""


@dataclass(frozen=True, slots=True)
class Release:
    """The stream is given out, for good."""

    score: float
    threshold: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Escalate:
    """The call is cancelled, and a dearer tier is asked at once."""

    score: float
    threshold: float
    tokens: int
    early: bool
    """Before the commit point."""


Judged = Hold | Release | Escalate
HOLD = Hold()


@dataclass(frozen=True, slots=True)
class CommitRule:
    """Of one task and tier. Absent thresholds hold: absent is not zero."""

    point: CommitPoint
    threshold: float | None
    """The largest score of a prefix that is released, calibrated for this decision; None: nothing is."""
    abort: float | None = None
    """The largest running score with which a call goes on; None: it always does."""
    abort_from: int = ABORT_FROM
    """Tokens before which nothing is aborted."""

    @property
    def decides(self) -> bool:
        """Whether it can do anything at all but hold."""
        return self.threshold is not None or self.abort is not None

    def looks(self, said: Prefix) -> bool:
        """Whether this prefix needs a score: there is something to decide here."""
        return (self.abort is not None and len(said.token_probs) >= self.abort_from) or (
            self.threshold is not None and reached(self.point, said)
        )

    def judge(self, said: Prefix, score: float | None) -> Judged:
        """The verdict on exactly this prefix. One that cannot be scored is held."""
        tokens = len(said.token_probs)
        if score is None:
            return HOLD
        if self.threshold is not None and reached(self.point, said):
            if score <= self.threshold:
                return Release(score, self.threshold, tokens)
            return Escalate(score, self.threshold, tokens, early=False)
        if self.abort is not None and tokens >= self.abort_from and score > self.abort:
            return Escalate(score, self.abort, tokens, early=True)
        return HOLD

    def as_json(self) -> dict[str, object]:
        """JSON values, for storage."""
        return {
            "tokens": self.point.tokens,
            "sentence": self.point.sentence,
            "threshold": self.threshold,
            "abort": self.abort,
            "abort_from": self.abort_from,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CommitRule:
        """The inverse of `as_json`; raises `KeyError` where a value is missing."""
        point = CommitPoint(int(values["tokens"]), bool(values["sentence"]))
        return cls(point, values["threshold"], values["abort"], int(values["abort_from"]))


def reached(point: CommitPoint, said: Prefix) -> bool:
    """Whether the commit point is here or was before; once true it stays true as the answer grows."""
    tokens = len(said.token_probs)
    return tokens >= point.tokens or (point.sentence and tokens >= SENTENCE_FROM and sentence_ended(said.text))


def sentence_ended(text: str) -> bool:
    """Whether a sentence ends within this text: by its mark and white space after it, or by the end of a line.

    A mark at the very end says nothing yet: `3.` may go on as `3.14`.
    """
    return _SENTENCE.search(text) is not None
