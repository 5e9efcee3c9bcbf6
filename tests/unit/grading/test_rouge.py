"""ROUGE-L is rouge-score's, and its subsequences are subsequences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from routenlp.grading.rouge import lcs_length, lcs_positions, rouge_l, rouge_tokens

FEW_WORDS = st.lists(st.sampled_from(["a", "b", "c", "$1.5", "q3", "é", "\x00"]), max_size=80).map(" ".join)
ANY_TEXT = st.one_of(FEW_WORDS, st.text(max_size=60))
SEQUENCES = st.lists(st.sampled_from("abcd"), max_size=70)

SCORER = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)


@given(answer=ANY_TEXT, reference=ANY_TEXT)
def test_it_is_what_rouge_score_computes(answer: str, reference: str) -> None:
    expected = SCORER.score(reference, answer)["rougeL"].fmeasure
    assert rouge_l(answer, reference) == pytest.approx(expected, abs=1e-12)


@given(text=ANY_TEXT)
def test_a_text_with_words_is_perfect_against_itself(text: str) -> None:
    assert rouge_l(text, text) == (1.0 if rouge_tokens(text) else 0.0)


@given(left=SEQUENCES, right=SEQUENCES)
def test_the_longest_common_subsequence_is_symmetric(left: list[str], right: list[str]) -> None:
    assert lcs_length(left, right) == lcs_length(right, left)


@given(left=SEQUENCES, right=SEQUENCES)
def test_positions_spell_a_common_subsequence_of_full_length(left: list[str], right: list[str]) -> None:
    positions = lcs_positions(left, right)
    assert len(positions) == lcs_length(left, right)
    assert positions == sorted(set(positions))
    remaining = iter(right)
    assert all(left[i] in remaining for i in positions)


def test_texts_longer_than_a_machine_word_are_exact() -> None:
    left = [str(i) for i in range(1_000)]
    assert lcs_length(left, left[::3]) == len(left[::3])


def test_order_matters() -> None:
    assert rouge_l("per share earnings", "earnings per share") == pytest.approx(2 / 3)


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\ud800", "…—"])
def test_without_words_it_is_zero(text: str) -> None:
    assert rouge_l(text, "some words") == rouge_l("some words", text) == 0.0
