"""The fixed sample."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routenlp.bench.datasets.supplied import SuppliedSplit, demo_sample, sample
from routenlp.types import Example, Query, Task


def supplied(train: int, test: int, name: str = "intent", groups: int = 5) -> SuppliedSplit:
    def part(split: str, rows: int) -> tuple[Example, ...]:
        return tuple(
            Example(Query(f"{split}-{i}", name, "text"), "label", f"{split}-group-{i % groups}") for i in range(rows)
        )

    return SuppliedSplit(Task(name, "accuracy", 1.0, 0.2), part("train", train), part("test", test))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(0, 3))
def test_sample_is_an_ordered_part_of_the_size_asked_for(train: int, test: int, limit: int, seed: int) -> None:
    whole = supplied(train, test)
    taken = sample(whole, train=limit, test=limit, seed=seed)
    assert len(taken.train) == min(train, limit)
    assert len(taken.test) == min(test, limit)
    assert [e for e in whole.train if e in taken.train] == list(taken.train)


def test_same_seed_same_rows_other_seed_other_rows() -> None:
    whole = supplied(200, 50)
    assert sample(whole, train=20, seed=1) == sample(whole, train=20, seed=1)
    assert sample(whole, train=20, seed=1) != sample(whole, train=20, seed=2)


def test_rows_are_fixed_across_versions() -> None:
    assert [e.query.id for e in sample(supplied(200, 0), train=4).train] == [
        "train-2",
        "train-27",
        "train-78",
        "train-140",
    ]


def test_larger_sample_holds_the_smaller() -> None:
    whole = supplied(200, 50)
    small, large = (sample(whole, train=size).train for size in (20, 100))
    assert {e.query.id for e in small} < {e.query.id for e in large}


def test_every_large_group_stays_represented() -> None:
    taken = sample(supplied(1_000, 100, groups=10), train=200)
    assert len({e.group for e in taken.train}) == 10


def test_demo_takes_1500_and_300_rows_but_60_transcripts() -> None:
    ordinary = demo_sample(supplied(2_000, 400))
    transcripts = demo_sample(supplied(2_000, 400, name="fin_summarisation"))
    assert (len(ordinary.train), len(ordinary.test)) == (1_500, 300)
    assert (len(transcripts.train), len(transcripts.test)) == (48, 12)
