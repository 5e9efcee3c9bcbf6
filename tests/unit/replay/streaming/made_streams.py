"""Recorded streams of two tiers, made up, as the machine reads them and as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.unit.worlds import FixedRouter

from routenlp.backends.generations import Generation
from routenlp.cascade.commit import CommitRule
from routenlp.cascade.committing import Committing
from routenlp.cascade.policy import Policy
from routenlp.cascade.stop_rules import ThresholdCascade
from routenlp.portfolio.prices import Price
from routenlp.portfolio.tiers import Portfolio, Tier
from routenlp.replay.streaming.play import Rung
from routenlp.replay.streaming.rows import Streams, running_scores, sentence_tokens
from routenlp.replay.streaming.through_machine import RecordedStream, StreamSpeed
from routenlp.scoring.token_uncertainty import TokenUncertainty
from routenlp.types import Task

TIERS = ("small", "top")
SMALL, TOP = Price(1.0, 2.0), Price(10.0, 20.0)
PORTFOLIO = Portfolio((Tier("small", "recorded", SMALL), Tier("top", "recorded", TOP)))
SPEED, TOP_SPEED = StreamSpeed(0.25, 0.125), StreamSpeed(0.5, 0.25)


def said(row: int, probs: Sequence[float], pieces: Sequence[str] | None = None) -> Generation:
    """An answer of these tokens; each adds its piece, else two letters."""
    words = ["ab"] * len(probs) if pieces is None else list(pieces)
    sizes = tuple(len(word.encode()) for word in words)
    return Generation(f"q{row}", "".join(words), tuple(probs), sizes, 10, len(probs) + 1, "stop")


TOP_SAID = said(0, [0.9] * 4)


def streams(every: Sequence[Generation], *, quality: Sequence[float] | None = None) -> Streams:
    """The arrays of these answers."""
    n = len(every)
    top_usd = TOP.cost_usd(TOP_SAID.input_tokens, TOP_SAID.output_tokens)
    return Streams(
        running=running_scores("small", every, TokenUncertainty()),
        tokens=np.array([len(one.token_probs) for one in every], dtype=np.int64),
        sentence=sentence_tokens(every),
        quality=np.array(quality if quality is not None else [0.5] * n),
        top_quality=np.ones(n),
        input_usd=np.array([SMALL.cost_usd(one.input_tokens, 0) for one in every]),
        token_usd=SMALL.cost_usd(0, 1),
        output_tokens=np.array([one.output_tokens for one in every], dtype=np.int64),
        top_usd=np.full(n, top_usd),
        prefill_s=np.full(n, SPEED.prefill_s),
        token_s=SPEED.token_s,
        top_first_s=np.full(n, TOP_SPEED.prefill_s + TOP_SPEED.token_s),
        groups=np.arange(n),
    )


def policy(rung: Rung, commit: CommitRule | None = None) -> Policy:
    """The same rung for the machine."""
    if rung.limit is None:
        return Policy(PORTFOLIO, {"t": Task("t", "none", 1.0, 1.0)}, FixedRouter("top"), TokenUncertainty(), _rule({}))
    rule = _rule({"small": rung.limit})
    rule = rule if commit is None else Committing(rule, TIERS, {"t": {"small": commit}})
    return Policy(PORTFOLIO, {"t": Task("t", "none", 1.0, 1.0)}, FixedRouter("small"), TokenUncertainty(), rule)


def recorded(one: Generation) -> dict[str, RecordedStream]:
    """Of both tiers."""
    return {"small": RecordedStream(one, SPEED), "top": RecordedStream(TOP_SAID, TOP_SPEED)}


def _rule(limits: dict[str, float]) -> ThresholdCascade:
    return ThresholdCascade(TIERS, {"t": limits})
