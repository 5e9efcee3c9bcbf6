"""Pickers learn from references which sentences matter and which of their words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from routenlp.backends.student.picker import Shortlist
from routenlp.backends.student.transcripts import learn_lexicon, read_transcript
from routenlp.backends.student.vector_picker import CONTEXT_WORDS, VectorPicker, contexts
from routenlp.errors import ArtefactError, TrainingError
from routenlp.grading.rouge import rouge_l
from routenlp.training.picker import Studied, fit_sentence_picker, fit_vector_picker, label, study
from routenlp.types import Example, Query, Vectors

FILLER = ["We thank our teams.", "Our stores are well stocked.", "Customers like what we do.", "It was a busy year."]


def call(i: int) -> Example:
    """A generated call: small talk around one result, which the reference repeats."""
    result = f"As said last night, adjusted earnings per share were ${i % 7}.{i % 10}1, which made us proud."
    talk = [FILLER[(i + k) % len(FILLER)] for k in range(8)]
    text = "\n".join([*talk[: i % 8], result, *talk[i % 8 :]])
    return Example(Query(str(i), "fin_summarisation", text), f"adjusted earnings per share ${i % 7}.{i % 10}1.", str(i))


class LengthEncoder:
    """A vector that says how long a text is and how many figures it has."""

    name = "lengths"
    dim = 3

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [[1.0, len(t) / 100.0, sum(c.isdigit() for c in t) / 5.0] for t in texts]
        return np.array(rows, dtype=np.float32).reshape(-1, 3)


@pytest.fixture(scope="module")
def studied() -> Studied:
    return study([call(i) for i in range(40)], seed=0)


def test_a_source_and_the_words_it_gives_are_found() -> None:
    transcript = read_transcript("Good morning.\nWell, EPS was $1.31 for us.\nThank you.")
    lexicon = learn_lexicon([transcript], min_sentences=1, max_shapes=10, max_pairs=10)
    labelled = label(transcript, lexicon, "q3 EPS $1.31.")
    assert labelled.source.tolist() == [False, True, False]
    assert [w for w, kept in zip(transcript.words, labelled.keep, strict=True) if kept] == ["EPS", "$1.31"]


def test_a_line_that_no_sentence_covers_has_no_source() -> None:
    transcript = read_transcript("Good morning.\nThank you.")
    lexicon = learn_lexicon([transcript], min_sentences=1, max_shapes=10, max_pairs=10)
    assert not label(transcript, lexicon, "board approves buyback of shares").source.any()


def test_both_pickers_find_the_result_in_calls_they_have_not_seen(studied: Studied) -> None:
    words = fit_sentence_picker(studied, handled_at=0.25).student
    vectors = fit_vector_picker(studied, LengthEncoder(), handled_at=0.25).student
    unseen = [call(i) for i in range(100, 110)]
    for picker in (words, vectors):
        answers = picker.predict([example.query for example in unseen])
        quality = [rouge_l(a.text, e.reference) for a, e in zip(answers, unseen, strict=True)]
        assert float(np.mean(quality)) > 0.6
        assert all(a.token_probs and 0.0 < p < 1.0 for a in answers for p in a.token_probs)


def test_every_transcript_has_a_held_out_answer(studied: Studied) -> None:
    words = fit_sentence_picker(studied, handled_at=0.25)
    vectors = fit_vector_picker(studied, LengthEncoder(), handled_at=0.25)
    for fitted in (words, vectors):
        assert list(fitted.held_out) == [str(i) for i in range(40)]
        assert all(answer.text and answer.token_probs for answer in fitted.held_out.values())


def test_out_of_fold_shortlists_are_one_a_transcript(studied: Studied) -> None:
    assert len(studied.shortlists) == len(studied.labelled) == 40
    assert all(isinstance(row, Shortlist) and row.spans for row in studied.shortlists)


def test_training_twice_gives_the_same_bytes(studied: Studied) -> None:
    again = study([call(i) for i in range(40)], seed=0)
    first, second = (fit_sentence_picker(s, handled_at=0.25).student.parts() for s in (studied, again))
    assert first.meta == second.meta
    assert {k: v.tobytes() for k, v in first.arrays.items()} == {k: v.tobytes() for k, v in second.arrays.items()}


def test_a_vector_picker_comes_back_with_its_encoder_only(studied: Studied) -> None:
    picker = fit_vector_picker(studied, LengthEncoder(), handled_at=0.25).student
    queries = [call(200).query, Query("e", "fin_summarisation", "")]
    again = VectorPicker.from_parts(picker.parts(), LengthEncoder())
    assert again.predict(queries) == picker.predict(queries)
    assert again.predict([]) == []
    assert again.predict(queries[1:])[0].token_probs == (0.0,)
    with pytest.raises(ArtefactError, match="lengths"):
        VectorPicker.from_parts(picker.parts())


def test_contexts_are_short_and_hold_the_span(studied: Studied) -> None:
    shortlist = studied.model.read("word " * 60 + "adjusted earnings per share were $1.31 " + "word " * 30)
    assert all(len(text.split()) <= CONTEXT_WORDS for text in contexts(shortlist))


def test_blank_transcripts_among_the_examples_are_no_obstacle() -> None:
    blank = Example(Query("b", "fin_summarisation", " \n "), "something", "b")
    picker = fit_sentence_picker(study([call(i) for i in range(20)] + [blank], seed=0), handled_at=0.25).student
    assert picker.predict([call(99).query])[0].text


def test_too_few_transcripts_are_refused() -> None:
    with pytest.raises(TrainingError, match="3 transcripts"):
        study([call(i) for i in range(3)], seed=0)


def test_references_that_draw_on_nothing_are_refused() -> None:
    rows = [Example(call(i).query, "zebra", str(i)) for i in range(20)]
    with pytest.raises(TrainingError, match="no reference draws"):
        study(rows, seed=0)
