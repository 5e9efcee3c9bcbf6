"""The whole of `routenlp train-tasks`, on texts made of words that say their task, and on some that do not."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from routenlp.backends.encoders.hashed import HashedEncoder
from routenlp.errors import ArtefactError, CorruptData, DataError, TrainingError
from routenlp.replay import stored_tasks
from routenlp.replay.tagged_files import read_tagged
from routenlp.replay.task_training import Tagged, TaskPromise, TrainedTasks, train_tasks
from routenlp.types import Query

WORDS = {
    "mail": ["inbox", "letter", "subject", "recipient", "attachment", "reply", "forward", "draft"],
    "code": ["function", "class", "compile", "pointer", "thread", "bug", "variable", "loop"],
    "law": ["contract", "clause", "liability", "party", "governing", "breach", "damages"],
}
COMMON = ["please", "could", "you", "tell", "me", "what", "the", "about", "this", "and", "that", "is", "with", "for"]


def made(n: int, *, seed: int = 0, vague: float = 0.05) -> list[Tagged]:
    """Some of the texts have common words only, so that nobody can tell their task."""
    draw, out = random.Random(seed), []
    for i in range(n):
        task = draw.choice(sorted(WORDS))
        own = draw.sample(WORDS[task], 3) if draw.random() >= vague else draw.sample(COMMON, 3)
        text = " ".join(draw.sample(COMMON, 5) + own)
        out.append(Tagged(Query(str(i), task, text), str(i)))
    return out


@pytest.fixture(scope="module")
def trained() -> TrainedTasks:
    return train_tasks(made(1500), TaskPromise(), encoder=None, seed=0)


def test_it_assigns_most_of_what_can_be_told_and_hardly_ever_wrongly(trained: TrainedTasks) -> None:
    rows, assigned, wrong = (sum(getattr(r, what) for r in trained.by_task) for what in ("rows", "assigned", "wrong"))
    assert assigned > 0.7 * rows
    assert wrong <= 0.02 * assigned
    assert trained.verdict.estimate is not None
    assert trained.verdict.estimate <= 0.02


def test_the_folds_are_apart(trained: TrainedTasks) -> None:
    assert sum(trained.sizes.values()) == 1500
    assert min(trained.sizes.values()) > 150


def test_a_vague_query_is_of_no_task_and_may_be_of_any(trained: TrainedTasks) -> None:
    vector = trained.encoder.encode(["please could you tell me about this and that"])[0]
    assert trained.classifier.guess(vector).task is None


def test_the_same_texts_and_seed_give_the_same(trained: TrainedTasks) -> None:
    again = train_tasks(made(1500), TaskPromise(), encoder=None, seed=0)
    assert again.classifier.sure_from == trained.classifier.sure_from
    assert (again.classifier.weights == trained.classifier.weights).all()


def test_with_a_routers_encoder_it_is_that_one(trained: TrainedTasks) -> None:
    assert isinstance(trained.encoder, HashedEncoder)
    other = train_tasks(made(400, seed=1), TaskPromise(alpha=0.2), encoder=trained.encoder, seed=0)
    assert other.encoder is trained.encoder


def test_labels_at_random_prove_nothing_and_assign_nothing() -> None:
    draw = random.Random(0)
    shuffled = [Tagged(Query(str(i), draw.choice("ab"), t.query.text), t.group) for i, t in enumerate(made(600))]
    found = train_tasks(shuffled, TaskPromise(), encoder=None, seed=0)
    assert found.classifier.sure_from is None
    assert sum(row.assigned for row in found.by_task) == 0


def test_a_task_with_a_handful_of_texts_is_left_out_and_named() -> None:
    rare = [Tagged(Query(f"r{i}", "rare", "one of few"), f"r{i}") for i in range(5)]
    assert train_tasks(made(400) + rare, TaskPromise(alpha=0.2), encoder=None, seed=0).left_out == {"rare": 5}


def test_one_task_is_nothing_to_tell_apart() -> None:
    with pytest.raises(TrainingError, match="two tasks"):
        train_tasks([t for t in made(400) if t.query.task == "law"], TaskPromise(), encoder=None, seed=0)


def test_one_conversation_fills_no_fold() -> None:
    with pytest.raises(DataError, match="fold"):
        train_tasks([Tagged(t.query, "one") for t in made(400)], TaskPromise(), encoder=None, seed=0)


def test_it_is_stored_with_its_encoder_and_a_changed_byte_is_refused(trained: TrainedTasks, tmp_path: Path) -> None:
    stored_tasks.save(tmp_path / "tasks", trained, TaskPromise())
    stored = stored_tasks.load(tmp_path / "tasks")
    texts = [row.query.text for row in made(50, seed=9)]
    before = [trained.classifier.guess(vector) for vector in trained.encoder.encode(texts)]
    assert [stored.classifier.guess(vector) for vector in stored.encoder.encode(texts)] == before
    path = tmp_path / "tasks" / "classifier.json"
    path.write_bytes(path.read_bytes().replace(b"law", b"war"))
    with pytest.raises(ArtefactError, match="SHA-256"):
        stored_tasks.load(tmp_path / "tasks")


def test_files_of_both_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "task": "t", "group": "g"}\n\n{"query": "y", "task": "u"}\n')
    (tmp_path / "b.csv").write_text("text,task\nz,t\n")
    found = read_tagged([tmp_path / "a.jsonl", tmp_path / "b.csv"])
    assert [(row.query.text, row.query.task) for row in found] == [("x", "t"), ("y", "u"), ("z", "t")]
    assert [row.group for row in found] == ["group\0g", "text\0y", "text\0z"]


@pytest.mark.parametrize("line", ["no json", "[1]", '{"text": "x"}', '{"task": "t"}', '{"text": 3, "task": "t"}'])
def test_a_line_that_is_no_tagged_text_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line)
    with pytest.raises(CorruptData, match=r"a\.jsonl"):
        read_tagged([path])
