"""The reply retrievers end to end: fitted on a small made-up help desk, and once on real conversations."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from routenlp.backends.encoders.minilm import MiniLM
from routenlp.backends.encoders.ngrams import NgramHasher
from routenlp.backends.student.reranker import RerankedReply
from routenlp.backends.student.retriever import NearestReply
from routenlp.errors import ArtefactError, TrainingError
from routenlp.grading.rouge import rouge_l
from routenlp.training.retriever import fit_confidence, fit_nearest_reply, fit_reranked_reply
from routenlp.types import Example, Parts, Query, Vectors

TOPICS = {
    "card": "Could you tell me the last four digits of your card number?",
    "table": "For how many people should I book the table?",
    "bus": "Which city do you want to leave from by bus?",
    "song": "What kind of music would you like to hear now?",
}
CITIES = ["Oslo", "Lima", "Cairo", "Quito", "Perth"]
HUGE = "Customer: a card\n" * 10_000
ODD = ["", " \n", "\x00", "\ud800", "a" * 100_000, HUGE, "zzz qqq"]


class BagEncoder:
    """Counts of hashed words: an encoder small enough to check by eye."""

    name = "bag-64"
    dim = 64

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Rows of length 1; zero for a blank text."""
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            np.add.at(row, NgramHasher(words=(1,), chars=()).hashes(text) % self.dim, 1.0)
            row /= max(1e-9, float(np.linalg.norm(row)))
        return rows


def conversation(topic: str, i: int) -> Example:
    city = CITIES[i % len(CITIES)]
    text = f"Customer: hello\nAgent: How can I help?\nCustomer: I am in {city} and need a {topic} number {i} please"
    reply = TOPICS[topic] if i % 7 else f"Sorry, {city} is closed."
    return Example(Query(f"{topic}-{i}", "cs_response", text), reply, f"{topic}-{i}")


EXAMPLES = [conversation(topic, i) for i in range(20) for topic in TOPICS]
QUERIES = [conversation(topic, 31).query for topic in TOPICS]

Retriever = NearestReply | RerankedReply
Fit = Callable[[Sequence[Example]], Retriever]


def nearest(examples: Sequence[Example]) -> NearestReply:
    return fit_nearest_reply(examples, handled_at=0.2).student


def reranked(examples: Sequence[Example]) -> RerankedReply:
    return fit_reranked_reply(examples, BagEncoder(), handled_at=0.2).student


@pytest.fixture(params=[nearest, reranked], ids=["nearest", "reranked"])
def fit(request: pytest.FixtureRequest) -> Fit:
    return request.param


@pytest.fixture(scope="module", params=[nearest, reranked], ids=["nearest", "reranked"])
def student(request: pytest.FixtureRequest) -> Retriever:
    return request.param(EXAMPLES)


def test_it_answers_with_the_reply_of_the_topic(student: Retriever) -> None:
    assert [p.text for p in student.predict(QUERIES)] == list(TOPICS.values())


def test_each_prediction_is_one_decision_with_a_probability(student: Retriever) -> None:
    for prediction in student.predict(QUERIES):
        assert prediction.token_probs is not None
        (p,) = prediction.token_probs
        assert 0.2 < p < 1.0


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:12])
def test_odd_texts_get_a_stored_reply(student: Retriever, text: str) -> None:
    (prediction,) = student.predict([Query("odd", "cs_response", text)])
    assert prediction.text in {e.reference for e in EXAMPLES}
    assert prediction.token_probs is not None
    assert 0.0 <= prediction.token_probs[0] <= 1.0


def test_an_empty_text_gets_the_fallback_with_its_share(student: Retriever) -> None:
    (prediction,) = student.predict([Query("empty", "cs_response", "")])
    assert prediction == student.fallback.prediction(student.store)
    assert student.fallback.p < 0.5


def test_no_queries_no_predictions(student: Retriever) -> None:
    assert student.predict([]) == []


def test_a_prediction_does_not_depend_on_its_neighbours(student: Retriever) -> None:
    assert [student.predict([query])[0] for query in QUERIES] == student.predict(QUERIES)


def test_the_same_rows_give_the_same_bytes(fit: Fit) -> None:
    one, two = fit(EXAMPLES).parts(), fit(EXAMPLES).parts()
    assert one.meta == two.meta
    assert {k: a.tobytes() for k, a in one.arrays.items()} == {k: a.tobytes() for k, a in two.arrays.items()}


def test_predictions_survive_storage_to_the_bit(student: Retriever) -> None:
    again = type(student).from_parts(student.parts(), BagEncoder())
    assert again.predict(QUERIES) == student.predict(QUERIES)


def test_the_description_is_json(student: Retriever) -> None:
    meta = student.parts().meta
    assert json.loads(json.dumps(meta)) == meta


def test_a_missing_array_is_refused(student: Retriever) -> None:
    parts = student.parts()
    arrays = {name: array for name, array in parts.arrays.items() if name != "replies.grams"}
    with pytest.raises(ArtefactError, match=r"replies\.grams"):
        type(student).from_parts(Parts(parts.kind, arrays, parts.meta), BagEncoder())


def test_another_encoder_is_refused() -> None:
    other = BagEncoder()
    other.name = "bag-65"
    with pytest.raises(ArtefactError, match=r"bag-64.*bag-65"):
        RerankedReply.from_parts(reranked(EXAMPLES).parts(), other)


def test_no_encoder_is_refused_where_one_is_needed() -> None:
    with pytest.raises(ArtefactError, match="None"):
        RerankedReply.from_parts(reranked(EXAMPLES).parts())


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_rows_cannot_train(fit: Fit, count: int) -> None:
    with pytest.raises(TrainingError, match=f"{count} training rows"):
        fit(EXAMPLES[:count])


def test_replies_without_words_do_not_count_as_rows(fit: Fit) -> None:
    with pytest.raises(TrainingError, match="0 training rows"):
        fit([Example(e.query, "?!", e.group) for e in EXAMPLES])


def test_one_group_cannot_train(fit: Fit) -> None:
    with pytest.raises(TrainingError, match="1 groups"):
        fit([Example(e.query, e.reference, "only") for e in EXAMPLES])


def test_a_row_never_finds_its_own_group(fit: Fit) -> None:
    """Every reply is unique to a group of two rows, so that nothing held out can be handled."""
    rows = [conversation("card", i) for i in range(30)]
    rows = [Example(e.query, f"w{i // 2} x{i // 2} y{i // 2}", f"g{i // 2}") for i, e in enumerate(rows)]
    (prediction,) = fit(rows).predict([rows[0].query])
    assert prediction.token_probs is not None
    assert prediction.token_probs[0] < 0.1


def test_what_is_held_out_is_an_honest_answer_to_every_row() -> None:
    rows = [Example(e.query, f"{e.reference} w{i}", e.group) for i, e in enumerate(EXAMPLES)]
    own = {e.query.id: e.reference for e in rows}
    for fitted in (
        fit_nearest_reply(rows, handled_at=0.2),
        fit_reranked_reply(rows, BagEncoder(), handled_at=0.2),
    ):
        assert fitted.held_out.keys() == own.keys()
        assert all(prediction.text != own[name] for name, prediction in fitted.held_out.items())


def test_where_all_rows_agree_the_confidence_is_their_smoothed_share() -> None:
    weights = fit_confidence(np.ones((8, 3)), np.ones(8, dtype=np.bool_))
    assert 1.0 / (1.0 + np.exp(-weights.sum())) == pytest.approx(9 / 10)


def test_what_never_varied_in_training_has_no_say() -> None:
    features = np.stack([np.arange(8.0), np.full(8, 3.0), np.ones(8)], axis=1)
    assert fit_confidence(features, np.arange(8) > 3)[1] == 0.0


@pytest.mark.slow
@pytest.mark.data
def test_the_reranker_beats_the_vote_on_real_conversations(six_tasks_dir: Path, minilm: MiniLM) -> None:
    with gzip.open(six_tasks_dir / "cs_response.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == "train"][::16]
    examples = [Example(Query(r["id"], r["task"], r["text"]), r["target"], r["group"]) for r in rows]
    train, held_out = examples[: -len(examples) // 4], examples[-len(examples) // 4 :]
    cheap = fit_nearest_reply(train, handled_at=0.2).student
    dear = fit_reranked_reply(train, minilm, handled_at=0.2).student
    assert _mean_quality(dear, held_out) > _mean_quality(cheap, held_out)


def _mean_quality(student: Retriever, examples: Sequence[Example]) -> float:
    answers = student.predict([e.query for e in examples])
    return float(np.mean([rouge_l(a.text, e.reference) for a, e in zip(answers, examples, strict=True)]))
