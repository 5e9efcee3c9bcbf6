"""Replay gives the traces that serving gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit import worlds

from routenlp.replay.cascade import replay
from routenlp.replay.serve import serve
from routenlp.types import Answer, Query

unit = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
rows = st.lists(st.tuples(unit, unit, st.booleans()), min_size=1, max_size=12)
limit = st.one_of(st.none(), unit)


class Lookup:
    """A backend that hands out the recorded answers of one tier."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self._answers = answers

    def answer(self, query: Query) -> Answer:
        return self._answers[query.id]


@settings(max_examples=60, deadline=None)
@given(rows, limit, limit, st.sampled_from(worlds.TIERS))
def test_serving_and_replay_give_the_same_trace(cells, small, mid, first):
    made = worlds.recorded([[0.0, 0.5, 1.0]] * len(cells), [[np.nan if odd else a, b, np.nan] for a, b, odd in cells])
    # Scores as serving computes them from probabilities, to the last bit.
    score = np.array([[np.nan if a.token_probs is None else 1 - a.token_probs[0] for a in r] for r in made.answers])
    made = type(made)(**{**{f: getattr(made, f) for f in made.__slots__}, "score": score})
    limits = {t: v for t, v in (("small", small), ("mid", mid)) if v is not None}
    done = replay(
        made,
        np.full(made.n, worlds.TIERS.index(first)),
        np.array([np.nan if small is None else small, np.nan if mid is None else mid, np.nan]),
    )
    policy = worlds.policy(worlds.thresholds(limits), first=first)
    backends = {t: Lookup({f"q{i}": r[k] for i, r in enumerate(made.answers)}) for k, t in enumerate(worlds.TIERS)}
    for i in range(made.n):
        trace = serve(policy, backends, Query(f"q{i}", "intent", "text"))
        assert trace.tiers == tuple(t for t, called in zip(worlds.TIERS, done.called[i], strict=True) if called)
        assert trace.answer.tier == worlds.TIERS[done.final[i]]
        assert trace.cost_usd == done.cost_usd[i]
        assert trace.latency_s == done.latency_s[i]
