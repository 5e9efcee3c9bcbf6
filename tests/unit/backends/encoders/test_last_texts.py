"""Two readers of one text, one encoding."""

from __future__ import annotations

import numpy as np

from routenlp.backends.encoders.last_texts import MOST, LastTexts


class Counts:
    name, dim = "counts", 1

    def __init__(self):
        self.encoded = []

    def encode(self, texts):
        self.encoded += texts
        return np.array([[float(len(text))] for text in texts], dtype=np.float32)


def test_the_second_reader_gets_what_the_first_read() -> None:
    inner = Counts()
    shared = LastTexts(inner)
    first, second = shared.first.encode(["hello"]), shared.encode(["hello"])
    assert (first == second).all()
    assert inner.encoded == ["hello"]


def test_what_was_read_twice_is_forgotten() -> None:
    inner = Counts()
    shared = LastTexts(inner)
    for reader in (shared.first, shared, shared):
        reader.encode(["hello"])
    assert inner.encoded == ["hello", "hello"]


def test_texts_that_only_one_reader_sees_do_not_pile_up() -> None:
    inner = Counts()
    shared = LastTexts(inner)
    for i in range(MOST + 1):
        shared.first.encode([f"text {i}"])
    shared.encode(["text 0"])
    assert inner.encoded.count("text 0") == 2
    shared.encode([f"text {MOST}"])
    assert inner.encoded.count(f"text {MOST}") == 1


def test_it_is_the_same_encoder_by_name() -> None:
    shared = LastTexts(Counts())
    for reader in (shared, shared.first):
        assert (reader.name, reader.dim) == ("counts", 1)
        assert reader.encode(["a", "bc"]).tolist() == [[1.0], [2.0]]
