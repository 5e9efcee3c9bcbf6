"""Rows and candidates for tests."""

from __future__ import annotations

from routenlp.bench.record.asked import Asked
from routenlp.bench.record.roles import Role
from routenlp.bench.record.shards import Candidate, Candidates


def row(name, reference="the train leaves at nine", *, fold="calibrate", role=Role.NONE, start=False, text="when"):
    return Asked(name, f"g {name}", fold, role, start, reference, text, text, ("the train leaves at ten",), (), text)


def candidates(name, *texts):
    return Candidates(name, 7, tuple(candidate(text) for text in texts))


def candidate(text, p=0.5):
    words = text.encode()
    return Candidate(text, (p, p), (len(words), 0), "stop")
