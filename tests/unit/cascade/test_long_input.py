"""How a text is cut and read in parts: nothing lost, nothing twice, always an end."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from routenlp.cascade.long_input import (
    FRAME_TOKENS,
    MOST_CALLS,
    MOST_LEVELS,
    Map,
    Reader,
    Reduce,
    Window,
    added_up,
    cut,
    estimated_tokens,
    foresee,
)
from routenlp.types import Answer

WINDOW = Window(512, "map_reduce", 2)
SENTENCE = "Revenue rose by twelve per cent in the third quarter. "
texts = st.text(st.sampled_from("abc .\n1€😀é\ud800"), max_size=400) | st.text(max_size=200)


@settings(deadline=None)
@given(texts, st.integers(1, 60))
@example("word" * 100, 3)
@example("", 5)
def test_pieces_make_up_the_text_in_order_and_fit(text: str, most: int) -> None:
    pieces = cut(text, most)
    assert "".join(pieces) == text
    assert all(pieces)
    assert all(estimated_tokens(piece) <= most or len(piece) == 1 for piece in pieces)


def test_it_is_cut_at_turns_then_sentences_then_words() -> None:
    turns = "".join(f"Speaker {who}: {SENTENCE * 3}\n" for who in "ABCD")
    assert all(piece.endswith("\n") for piece in cut(turns, 90))
    assert all(piece.endswith(". ") for piece in cut(SENTENCE * 20, 50))
    assert all(piece.endswith(" ") for piece in cut("word " * 200, 30)[:-1])


def test_a_text_without_a_sentence_end_and_a_word_longer_than_a_piece_are_cut_all_the_same() -> None:
    assert len(cut("no end of a sentence " * 100, 40)) > 5
    word = "x" * 1_000
    pieces = cut(f"before {word} after", 20)
    assert "".join(pieces) == f"before {word} after"
    assert max(map(len, pieces)) <= 90


def test_a_chinese_text_is_cut_after_its_sentences() -> None:
    assert all(piece.endswith("。") for piece in cut("我想知道我的卡什么时候到。" * 30, 100))


@pytest.mark.parametrize(
    ("text", "low", "high"), [("", 0, 0), (SENTENCE, 10, 15), ("12,345.67", 9, 9), ("卡" * 10, 20, 30), ("😀", 3, 4)]
)
def test_tokens_are_estimated_by_kind_of_character(text: str, low: int, high: int) -> None:
    assert low <= estimated_tokens(text) <= high


def notes(asked: Map, words: int = 3) -> list[str]:
    return [f"note {at} " + "word " * words for at, _ in enumerate(asked.prompts)]


def test_notes_stand_in_place_of_the_text_in_its_order() -> None:
    reader = Reader(WINDOW, WINDOW.left(None))
    asked = reader.begin(SENTENCE * 100)
    assert isinstance(asked, Map)
    assert "part 1 of" in asked.prompts[0]
    last = reader.after(asked, [f"note {at}" for at in range(len(asked.prompts))])
    assert isinstance(last, Reduce)
    found = [last.text.index(f"note {at}") for at in range(len(asked.prompts))]
    assert found == sorted(found)


def test_every_prompt_leaves_room_for_its_note() -> None:
    asked = Reader(WINDOW, 200).begin(SENTENCE * 100)
    assert isinstance(asked, Map)
    assert max(map(estimated_tokens, asked.prompts)) + WINDOW.note_tokens <= WINDOW.tokens


def test_notes_that_are_too_long_are_read_in_parts_too_and_not_for_ever() -> None:
    reader = Reader(WINDOW, 100)
    asked: Map | Reduce | None = reader.begin(SENTENCE * 200)
    levels = 0
    while isinstance(asked, Map):
        levels += 1
        asked = reader.after(asked, notes(asked, 200))
    assert (asked, levels) == (None, MOST_LEVELS)
    short = reader.begin(SENTENCE * 200)
    assert isinstance(short, Map)
    second = reader.after(short, notes(short, 40))
    assert isinstance(second, Map)
    assert second.level == 2


@pytest.mark.parametrize("text", ["", " \n\n ", "\t"])
def test_nothing_is_asked_of_an_empty_text(text: str) -> None:
    assert Reader(WINDOW, 200).begin(text) is None


def test_white_space_is_no_part_and_an_empty_note_is_left_out() -> None:
    reader = Reader(WINDOW, 200)
    asked = reader.begin(SENTENCE * 30 + " " * 20_000 + SENTENCE * 30)
    assert isinstance(asked, Map)
    assert all(prompt.partition("nothing else.\n\n")[2] for prompt in asked.prompts)
    assert len(asked.prompts) < 8
    said = ["", *["a note"] * (len(asked.prompts) - 1)]
    last = reader.after(asked, said)
    assert isinstance(last, Reduce)
    assert last.text.count("a note") == len(asked.prompts) - 1
    assert reader.after(asked, [" "] * len(asked.prompts)) is None


def test_a_stretch_makes_parts_smaller() -> None:
    few, many = (Reader(WINDOW, 200, stretch).begin(SENTENCE * 100) for stretch in (1.0, 2.6))
    assert isinstance(few, Map)
    assert isinstance(many, Map)
    assert len(many.prompts) > 2 * len(few.prompts)


def test_a_text_beyond_all_bounds_is_not_begun() -> None:
    assert Reader(WINDOW, 200).begin(SENTENCE * 20_000) is None
    assert foresee(MOST_CALLS * WINDOW.chunk_tokens + 1, 0, WINDOW, None) is None


def test_what_it_takes_is_foreseen_call_by_call() -> None:
    chunk, note = WINDOW.chunk_tokens, WINDOW.note_tokens
    found = foresee(3 * chunk, 10, WINDOW, 50)
    assert found is not None
    assert (found.calls, found.rounds) == (4, 3)
    assert found.input_tokens == 3 * chunk + 3 * FRAME_TOKENS + 3 * note + 10 + FRAME_TOKENS
    assert found.output_tokens == 3 * note + 50


@given(st.integers(1, 20_000))
def test_a_longer_text_takes_no_less(tokens: int) -> None:
    one, more = (foresee(n, 0, WINDOW, None) for n in (tokens, tokens + 100))
    if more is not None:
        assert one is not None
        assert (one.calls, one.input_tokens) <= (more.calls, more.input_tokens)


def test_a_client_that_wants_a_short_answer_leaves_more_room() -> None:
    assert WINDOW.left(10) > WINDOW.left(None) > WINDOW.left(100_000) == WINDOW.left(200)


def test_all_calls_are_added_up_and_probabilities_are_the_last_ones() -> None:
    parts = [Answer("t", f"note {i}", (0.5,), 100, 20, 0.001, 0.2) for i in range(3)]
    last = Answer("t", "the answer", (0.9, 0.8), 70, 30, 0.002, 0.3)
    whole = added_up(last, parts, 1.5)
    assert (whole.text, whole.token_probs, whole.latency_s) == ("the answer", (0.9, 0.8), 1.5)
    assert (whole.input_tokens, whole.output_tokens) == (370, 90)
    assert whole.cost_usd == pytest.approx(0.005)
