"""Targeted lessons are failures of the best clusters, random ones any rows, and what judges neither is near them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.bench.record.rows import row

from routenlp.bench.seqkd.lessons import Scene, pick_random, pick_targeted, survey

TOPICS, EACH, BUDGET = 10, 60, 40


@pytest.fixture(scope="module")
def scene():
    """Ten topics; the prompted model fails everywhere, and its teacher is much better on two of them."""
    drawn = np.random.default_rng(0)
    rows, vectors, teacher = [], [], []
    centres = np.eye(TOPICS, 16)
    for i in range(TOPICS * EACH):
        topic, fold = i % TOPICS, "test" if i % 3 == 0 else "train"
        start = fold == "train" and i % 11 == 0
        words = " ".join(f"{word}{int(drawn.integers(10_000))}" for word in ("on", "my", "word", "was"))
        rows.append(row(f"q{i}", fold=fold, start=start, text=f"topic {topic} {words}"))
        vectors.append(centres[topic] + drawn.normal(0.0, 0.05, 16))
        teacher.append(0.9 if topic in (3, 7) else 0.15)
    quality = np.full(len(rows), 0.1)
    return Scene("cs_response", 0.2, rows, quality, np.array(teacher), np.array(vectors, dtype=np.float32))


def topics(scene, positions):
    return {int(scene.rows[i].text.split()[1]) for i in positions.tolist()}


def test_targeted_lessons_come_from_where_the_teacher_is_better(scene):
    ground = survey(scene, BUDGET)
    lessons = pick_targeted(scene, ground, np.random.default_rng(1))
    assert len(set(lessons.tolist())) == BUDGET
    assert topics(scene, lessons) <= {3, 7}
    assert topics(scene, ground.judged) == topics(scene, lessons)


def test_lessons_of_both_arms_are_training_rows_outside_the_start_and_judges_are_held_out(scene):
    ground, drawn = survey(scene, BUDGET), np.random.default_rng(1)
    for lessons in (pick_random(ground, BUDGET, drawn), pick_targeted(scene, ground, drawn)):
        taught = [scene.rows[i] for i in lessons.tolist()]
        assert all(one.fold == "train" and not one.start for one in taught)
    judges = np.concatenate([ground.near, ground.rest])
    assert sorted(judges.tolist()) == [i for i, one in enumerate(scene.rows) if one.fold == "test"]
    assert set(ground.judged.tolist()) <= set(ground.near.tolist())


def test_a_row_that_resembles_a_judge_is_no_lesson():
    texts = [f"where is parcel number {i} that i ordered last week" for i in range(30)]
    rows = [row(f"t{i}", fold="train", text=text) for i, text in enumerate(texts)]
    rows += [row("judge", fold="gate", text=texts[0])]
    vectors = np.random.default_rng(0).normal(size=(31, 8)).astype(np.float32)
    scene = Scene("cs_response", 0.2, rows, np.full(31, 0.1), np.full(31, 0.9), vectors)
    ground = survey(scene, 5)
    assert ground.barred >= 1
    assert 0 not in ground.pool
