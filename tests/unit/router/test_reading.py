"""What a router reads: conversations with roles, long texts by both ends, and texts of any kind at a glance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.router.reading import (
    LAST_TURNS,
    MOST_CHARS,
    SURFACE,
    TURN_CHARS,
    frame_surface,
    head_and_tail,
    reading,
    surface,
)
from routenlp.types import Query, Turn


def test_a_message_alone_is_read_as_it_is() -> None:
    assert reading(Query("q", "t", "where is my card?")) == "where is my card?"


def test_of_a_conversation_the_last_turns_are_read_with_their_roles() -> None:
    turns = (Turn("user", "I lost my card"), Turn("assistant", "Shall I block it?"))
    assert reading(Query("q", "t", "yes", turns=turns)) == "user: I lost my card\nassistant: Shall I block it?\nyes"


def test_turns_long_ago_are_left_out() -> None:
    turns = tuple(Turn("user", f"turn {i}") for i in range(LAST_TURNS + 3))
    read = reading(Query("q", "t", "yes", turns=turns))
    assert "turn 2" not in read
    assert "turn 3" in read


def test_one_long_turn_does_not_crowd_out_the_message() -> None:
    read = reading(Query("q", "t", "yes", turns=(Turn("user", "x" * 100_000),)))
    assert len(read) < TURN_CHARS + 20
    assert read.endswith("yes")


def test_a_long_text_keeps_both_ends() -> None:
    read = reading(Query("q", "t", "HEAD" + "x" * 300_000 + "TAIL"))
    assert read.startswith("HEAD")
    assert read.endswith("TAIL")
    assert len(read) <= MOST_CHARS + 1


@given(st.text(max_size=200), st.integers(2, 50))
def test_cutting_never_makes_a_text_longer_than_asked(text: str, most: int) -> None:
    assert len(head_and_tail(text, most)) <= max(len(text), 0) or len(head_and_tail(text, most)) <= most + 1


@given(st.text(max_size=300))
def test_the_surface_of_every_text_is_finite_and_not_negative(text: str) -> None:
    seen = surface(text)
    assert len(seen) == SURFACE
    assert np.isfinite(seen).all()
    assert min(seen) >= 0.0


def test_digits_and_capitals_are_counted_alike_in_ascii_and_beyond() -> None:
    assert surface("Pay 12 EUR")[3:] == (0.2, 0.4)
    assert surface("Pay 12 Éu٣")[3:] == (0.3, 0.2)


def test_a_row_of_features_is_the_bits_of_many() -> None:
    texts = ["a", "bb bb", "Ccc 1", "dddd\n" * 9]
    seen = np.array([surface(t) for t in texts])
    frame = frame_surface(seen)
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    many = np.concatenate([vectors, frame.of(seen)], axis=1).astype(np.float32)
    assert frame.beside(vectors, texts).tobytes() == many.tobytes()
    assert frame.beside(vectors[1:2], texts[1:2]).tobytes() == many[1:2].tobytes()


def test_surface_features_stand_small_beside_vectors() -> None:
    texts = ["a", "bb bb", "Ccc 1", "dddd\n" * 9]
    frame = frame_surface(np.array([surface(t) for t in texts]))
    features = frame.beside(np.zeros((4, 3), dtype=np.float32), texts)
    assert features.shape == (4, 3 + SURFACE)
    assert features[:, 3:].std(axis=0) == pytest.approx(np.full(SURFACE, 0.1), abs=1e-6)


def test_a_surface_that_never_varies_is_not_divided_by_zero() -> None:
    frame = frame_surface(np.zeros((3, SURFACE)))
    assert np.isfinite(frame.of(np.ones((2, SURFACE)))).all()
