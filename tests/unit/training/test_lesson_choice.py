"""Which failures become lessons: none, one, all alike, and a teacher that is worse."""

from __future__ import annotations

import numpy as np
import pytest

from routenlp.loop.failures import Cause, Failure
from routenlp.loop.ranking import Horizon
from routenlp.training.failure_clusters import KMeansClusterer
from routenlp.training.lesson_choice import Failed, Known, choose_lessons
from routenlp.types import Query

HORIZON = Horizon(10_000.0, 500)


class Learns:
    """A probe: so much of each failure can be learned."""

    def __init__(self, share: float = 0.8) -> None:
        self._share = share

    def learnable(self, vectors, answers, asked, right):
        return np.full(len(asked), self._share)


def failure(i: int, gap: float = 0.5, score: float | None = 0.5) -> Failure:
    return Failure(Query(f"f{i}", "t", f"words of {i}"), Cause.ESCALATED, (), "small", score, gap, f"answer {i}")


def choose(failures, vectors, budget=10, probe=None):
    failed = Failed("t", failures, np.asarray(vectors, dtype=np.float32), 0.01, 0.001)
    known = Known(np.zeros((0, failed.vectors.shape[1]), dtype=np.float32), [])
    return choose_lessons(failed, known, budget, HORIZON, clusterer=KMeansClusterer(), probe=probe or Learns(), seed=0)


def two_groups(n: int, gaps=(0.5, 0.5)):
    rng = np.random.default_rng(0)
    vectors = np.concatenate([rng.normal([5, 0, 0], 0.5, (n, 3)), rng.normal([0, 5, 0], 0.5, (n, 3))])
    return [failure(i, gaps[i // n]) for i in range(2 * n)], vectors


def test_without_failures_there_are_no_lessons():
    choice = choose([], np.zeros((0, 3)))
    assert (choice.space, choice.clusters, len(choice.lessons)) == (None, (), 0)


def test_one_failure_is_a_cluster_and_a_lesson():
    choice = choose([failure(0)], [[1.0, 0.0, 0.0]])
    assert choice.lessons.tolist() == [0]
    assert choice.lessons_in(choice.clusters[0].index) == 1


def test_failures_that_are_all_alike_are_one_cluster():
    choice = choose([failure(i) for i in range(40)], np.ones((40, 3)), budget=5)
    assert len(choice.clusters) == 1
    assert len(choice.lessons) == 5


def test_lessons_are_spread_over_clusters():
    choice = choose(*two_groups(60), budget=20)
    taken = [choice.lessons_in(cluster.index) for cluster in choice.clusters]
    assert len(taken) == 2
    assert min(taken) >= 5
    assert sum(taken) == len(set(choice.lessons.tolist())) == 20


def test_where_the_teacher_is_worse_nothing_is_learned():
    failures, vectors = two_groups(60, gaps=(0.5, -0.5))
    choice = choose(failures, vectors, budget=100)
    assert max(choice.lessons.tolist()) < 60
    dropped = [ranked.dropped for ranked in choice.ranked if ranked.dropped]
    assert dropped == ["the teacher is no better than the student here"]


def test_what_cannot_be_learned_is_left():
    assert len(choose(*two_groups(30), probe=Learns(0.0)).lessons) == 0


@pytest.mark.parametrize("score", [None, 0.0, 1.0])
def test_an_answer_of_any_doubt_can_be_a_lesson(score):
    choice = choose([failure(i, score=score) for i in range(4)], np.eye(4), budget=4)
    assert sorted(choice.lessons.tolist()) == [0, 1, 2, 3]


def test_the_same_failures_give_the_same_lessons():
    first, again = (choose(*two_groups(60), budget=15).lessons.tolist() for _ in range(2))
    assert first == again
