"""A classifier answers every text with a label it knows and one probability, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routenlp.backends.encoders.ngrams import NgramHasher, learn_vocabulary
from routenlp.backends.student.classifier import Classifier, KernelHead, Mixture, NgramHead, Projection
from routenlp.errors import ArtefactError
from routenlp.types import Parts, Query, Vectors

ODD_TEXTS = ["", " \n", "x" * 100_000, "a\0b", "\ud800 lone", "word " * 20_000]


class CountingEncoder:
    """Four numbers a text: enough to tell texts apart."""

    name = "counting/1"
    dim = 4

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [[len(t), t.count("e"), t.count(" "), sum(map(ord, t)) % 7] for t in texts]
        return np.array(rows, dtype=np.float32).reshape(len(rows), 4)


def classifier(*, kernel: bool) -> Classifier:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Vectors:
        return rng.normal(size=shape).astype(np.float32)

    vocabulary = learn_vocabulary(
        ["refund my card", "card lost", "pay my bill"], NgramHasher(), min_rows=1, max_size=1000
    )
    head = NgramHead(vocabulary, draw(len(vocabulary.known), 3).astype(np.float16), draw(3))
    heads = 2 if kernel else 1
    mixture = Mixture(np.ones(heads), np.full(2 + heads, 0.3), np.array([0.1, 0.0, -0.1]))
    plain = Classifier(("bill", "lost", "refund"), np.array([0.2, 0.5, 0.3]), head, mixture)
    if not kernel:
        return plain
    anchors = draw(5, 2).astype(np.float16).astype(np.float32)
    projection = Projection(draw(4), np.ones(4, np.float32), draw(4, 2))
    near = KernelHead(projection, anchors, draw(5, 3), draw(3), 1.0)
    return replace(plain, kernel=near, encoder=CountingEncoder())


def queries(*texts: str) -> list[Query]:
    return [Query(str(i), "support", text) for i, text in enumerate(texts)]


@pytest.fixture(params=[False, True], ids=["ngram", "minilm"])
def student(request: pytest.FixtureRequest) -> Classifier:
    return classifier(kernel=request.param)


def test_every_text_gets_a_known_label_and_one_probability(student: Classifier) -> None:
    for prediction in student.predict(queries(*ODD_TEXTS, "card lost")):
        assert prediction.text in student.labels
        assert prediction.token_probs is not None
        (p,) = prediction.token_probs
        assert 0.0 <= p <= 1.0


def test_a_blank_text_gets_the_commonest_label_with_its_share(student: Classifier) -> None:
    assert [(p.text, p.token_probs) for p in student.predict(queries("", " \t"))] == [("lost", (0.5,))] * 2


def test_no_queries_no_predictions(student: Classifier) -> None:
    assert student.predict([]) == []


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=6))
def test_a_prediction_does_not_depend_on_its_batch(texts: list[str]) -> None:
    student = classifier(kernel=True)
    together = student.predict(queries(*texts))
    assert together == [student.predict(queries(text))[0] for text in texts]


def test_parts_round_trip_to_the_same_predictions(student: Classifier) -> None:
    again = Classifier.from_parts(student.parts(), student.encoder)
    sample = queries("refund my card", "lost", "something else", "")
    assert again.predict(sample) == student.predict(sample)


def test_another_encoder_or_none_is_refused_by_name() -> None:
    parts = classifier(kernel=True).parts()
    other = CountingEncoder()
    other.name = "other/2"
    for encoder in (None, other):
        with pytest.raises(ArtefactError, match="counting/1"):
            Classifier.from_parts(parts, encoder)


@pytest.mark.parametrize("lost", ["ngrams.weights", "mixture.trust", "prior"])
def test_a_missing_array_is_an_artefact_error(student: Classifier, lost: str) -> None:
    parts = student.parts()
    arrays = {name: array for name, array in parts.arrays.items() if name != lost}
    with pytest.raises(ArtefactError, match=lost):
        Classifier.from_parts(Parts(parts.kind, arrays, parts.meta), student.encoder)


@pytest.mark.parametrize(("key", "value"), [("labels", "bill"), ("words", [1.5]), ("max_chars", None)])
def test_settings_of_a_wrong_type_are_an_artefact_error(key: str, value: object) -> None:
    parts = classifier(kernel=False).parts()
    with pytest.raises(ArtefactError):
        Classifier.from_parts(Parts(parts.kind, parts.arrays, {**parts.meta, key: value}))


def test_parts_of_another_kind_are_refused() -> None:
    with pytest.raises(ArtefactError, match="tagger"):
        Classifier.from_parts(Parts("tagger/1", {}, {}))


def test_trust_in_a_label_moves_its_probability_and_not_the_choice() -> None:
    scores = np.array([[2.0, 1.0, 0.0]])
    mixture = Mixture(np.ones(1), np.array([0.0, 1.0, 0.0]), np.zeros(3))
    wary = replace(mixture, label_trust=np.array([-2.0, 0.0, 0.0]))
    (label, p), (wary_label, wary_p) = mixture.decide(scores), wary.decide(scores)
    assert label == wary_label == 0
    assert p == pytest.approx(np.exp(2) / (np.exp(2) + np.exp(1) + 1))
    assert wary_p < p
