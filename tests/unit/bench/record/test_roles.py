"""What each row is for: nothing outside the pilot's start is learned from, and no group serves two purposes."""

from __future__ import annotations

from routenlp.bench.pilot.pools import divide
from routenlp.bench.record.roles import Role, by_fold, role
from routenlp.replay.folds import split
from routenlp.types import Example, Query


def folds():
    queries = [Query(f"q{i}", "cs_response", f"text number {i}") for i in range(2_000)]
    rows = [Example(query, f"reply {i}", f"group {i // 2}") for i, query in enumerate(queries)]
    return split("cs_response", rows[:1_600], rows[1_600:])


def test_only_rows_of_the_pilots_start_are_learned_from():
    cut = folds()
    start = {example.query.id for example in divide(cut)[0].train.examples}
    for fold, part in by_fold(cut).items():
        learned = {e.query.id for e in part if role(fold, e) is not Role.NONE}
        assert learned <= start
        assert bool(learned) == (fold == "train")


def test_a_group_has_one_role():
    train = folds().train.examples
    by_group = {}
    for example in train:
        by_group.setdefault(example.group, set()).add(role("train", example))
    assert all(len(roles) == 1 for roles in by_group.values())


def test_shares_are_about_as_stated():
    train = folds().train.examples
    roles = [role("train", example) for example in train]
    assert 0.30 < roles.count(Role.GENERATOR) / len(roles) < 0.42
    assert 0.08 < roles.count(Role.RERANKER) / len(roles) < 0.16
