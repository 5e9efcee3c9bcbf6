"""A transcript comes down to trimmed sentences, with probabilities, whatever the text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.student.picker import (
    Confidence,
    Picking,
    SentenceModel,
    SentencePicker,
    SentenceWeights,
    Span,
    TrimWeights,
    best_run,
    choose,
)
from routenlp.backends.student.transcripts import (
    MAX_WORDS,
    SENTENCE_FEATURES,
    index,
    learn_lexicon,
    read_transcript,
    sentence_features,
    shape_of,
)
from routenlp.errors import ArtefactError
from routenlp.types import Parts, Query

CALL = "\n".join(
    [
        "Good morning and welcome to the third quarter call.",
        "I would like to thank our teams for their work.",
        "As we said last night, adjusted earnings per share were $1.31 in what was a busy time.",
        "Our stores are well stocked.",
        "Finally, we expect revenue of $2.4 billion to $2.6 billion for the year.",
        "Thank you for joining us.",
    ]
)


def hand_made_picker() -> SentencePicker:
    """Likes money in a sentence, and keeps the words of two phrases."""
    lexicon = learn_lexicon([read_transcript(CALL)], min_sentences=1, max_shapes=100, max_pairs=100)
    pairs = len(lexicon.pairs)
    liked = np.zeros(SENTENCE_FEATURES)
    liked[9] = 6.0  # ln(1 + figures that are money)
    window = np.zeros((5, lexicon.size))
    phrases = "adjusted earnings per share were $1.31 expect revenue of $2.4 billion to $2.6 billion"
    window[2][lexicon.ids(phrases.split())] = 4.0
    sentences = SentenceWeights(np.zeros(lexicon.size), np.zeros(pairs + 1), liked, -4.0)
    model = SentenceModel(lexicon, sentences, TrimWeights(window, np.zeros((2, pairs + 1)), -2.0), Picking())
    return SentencePicker(model, Confidence(np.array([0.5, 0.0, 0.0, 0.0]), 0.0))


PICKER = hand_made_picker()


def ask(text: str) -> Query:
    return Query("1", "fin_summarisation", text)


def test_an_answer_is_the_quarter_and_the_trimmed_sentences_in_order() -> None:
    (prediction,) = PICKER.predict([ask(CALL)])
    assert prediction.text.split("\n") == [
        "q3",
        "adjusted earnings per share were $1.31",
        "expect revenue of $2.4 billion to $2.6 billion",
    ]


def test_there_is_one_probability_a_pick() -> None:
    (prediction,) = PICKER.predict([ask(CALL)])
    assert prediction.token_probs is not None
    assert len(prediction.token_probs) == 2
    assert all(0.0 < p < 1.0 for p in prediction.token_probs)


@pytest.mark.parametrize("text", ["", "   ", "\n\n \n"])
def test_a_blank_text_gets_an_empty_answer_with_probability_zero(text: str) -> None:
    (prediction,) = PICKER.predict([ask(text)])
    assert (prediction.text, prediction.token_probs) == ("", (0.0,))


def test_a_single_sentence_is_answered_from() -> None:
    (prediction,) = PICKER.predict([ask("Nothing of note")])
    assert prediction.text == "Nothing of note"


def test_a_text_of_one_line_is_cut_into_sentences() -> None:
    (flat,) = PICKER.predict([ask(CALL.replace("\n", " "))])
    assert flat.text == PICKER.predict([ask(CALL)])[0].text


@pytest.mark.parametrize("text", ["word " * 20_000, "x" * 100_000, "a.\n" * 33_000, "\x00 \ud800 $1.31\n\udfff"])
def test_strange_texts_get_a_defined_answer(text: str) -> None:
    (prediction,) = PICKER.predict([ask(text)])
    assert prediction.text
    assert prediction.token_probs


@given(st.text(max_size=300))
def test_every_text_gets_as_many_probabilities_as_picks(text: str) -> None:
    (prediction,) = PICKER.predict([ask(text)])
    assert prediction.token_probs
    assert all(0.0 <= p <= 1.0 for p in prediction.token_probs)


def test_answers_do_not_depend_on_neighbours() -> None:
    together = PICKER.predict([ask("Other words, $5."), ask(CALL)])
    assert together[1] == PICKER.predict([ask(CALL)])[0]


def test_a_picker_comes_back_from_its_parts() -> None:
    again = SentencePicker.from_parts(PICKER.parts())
    assert again.predict([ask(CALL)]) == PICKER.predict([ask(CALL)])


def test_incomplete_parts_are_refused() -> None:
    parts = PICKER.parts()
    arrays = {name: array for name, array in parts.arrays.items() if name != "trim.window"}
    with pytest.raises(ArtefactError, match=r"trim\.window"):
        SentencePicker.from_parts(Parts(parts.kind, arrays, parts.meta))
    with pytest.raises(ArtefactError, match="another"):
        SentencePicker.from_parts(Parts("another", parts.arrays, parts.meta))


@given(st.lists(st.integers(-5, 5), max_size=12))
def test_the_best_run_has_the_largest_sum(values: list[int]) -> None:
    start, stop = best_run([float(v) for v in values])
    runs = [sum(values[a:b]) for a in range(len(values)) for b in range(a + 1, len(values) + 1)]
    assert sum(values[start:stop]) == max([0, *runs])


@given(st.lists(st.tuples(st.floats(-6, 6), st.integers(1, 30), st.floats(0, 1)), min_size=1, max_size=12))
def test_picks_are_few_ordered_and_never_worse_than_the_first(rows: list[tuple[float, int, float]]) -> None:
    spans = [Span(i, 0, words, logit, share * words) for i, (logit, words, share) in enumerate(rows)]
    picking = Picking(max_picks=3)
    picks = choose(spans, picking)
    assert 1 <= len(picks.spans) <= 3
    assert list(picks.spans) == sorted(picks.spans, key=lambda span: span.sentence)
    gain, words = sum(s.gain for s in picks.spans), sum(s.words for s in picks.spans)
    assert picks.expected == pytest.approx(2 * gain / (words + picking.reference_words))


@pytest.mark.parametrize(
    ("word", "shape"),
    [("$3.34,", "$#.#"), ("11.1%", "#.#%"), ("2021.", "year#"), ("Q3", "q#"), ("(Revenue)", "revenue")],
)
def test_figures_lose_their_digits(word: str, shape: str) -> None:
    assert shape_of(word) == shape


def test_long_lines_are_read_in_pieces() -> None:
    transcript = read_transcript("w " * (2 * MAX_WORDS + 1) + "\nend")
    assert transcript.lengths.tolist() == [MAX_WORDS, MAX_WORDS, 1, 1]


@given(st.text(max_size=200))
def test_features_are_finite(text: str) -> None:
    transcript = read_transcript(text)
    features = sentence_features(index(transcript, PICKER.model.lexicon), PICKER.model.lexicon)
    assert features.shape == (len(transcript.lengths), SENTENCE_FEATURES)
    assert np.isfinite(features).all()


@pytest.mark.parametrize(
    ("text", "quarter"),
    [("Q2 was good. In the second quarter, unlike Q1, we grew.", "q2"), ("A quarter.", ""), ("fourth-quarter", "q4")],
)
def test_the_quarter_is_the_one_named_most(text: str, quarter: str) -> None:
    assert read_transcript(text).quarter == quarter
