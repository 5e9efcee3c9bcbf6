"""What both reply retrievers stand on, and what they promise. Their fit is in tests/unit/training/test_retriever.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.backends.student.replies import ContextIndex, ReplyStore, best, read_context, softmax, store_replies
from routenlp.backends.student.retriever import vote
from routenlp.training.retriever import index_contexts

TEXTS = [
    "Customer: I want to book a table for two.",
    "Customer: Where is the bus station?\nAgent: It is on Main Street.\nCustomer: Please book a ticket.",
    "Customer: hello\nAgent: hi\nCustomer: I lost my card\nAgent: Which card?\nCustomer: the blue card",
    "Customer: please book a table",
    "Customer: my card is blue",
]


def test_a_context_is_its_last_turn_the_one_before_and_the_rest() -> None:
    context = read_context(TEXTS[2])
    assert context == ("the blue card", "Agent: Which card?", "Agent: hi\nCustomer: I lost my card")


def test_a_text_without_roles_is_one_turn() -> None:
    assert read_context("two\nlines") == ("two\nlines", "", "")


@given(st.text(st.characters(codec=None, categories=None)))
def test_every_text_is_a_context(text: str) -> None:
    assert all(isinstance(field, str) for field in read_context(text))


def test_similarities_are_dot_products_of_tf_idf_rows() -> None:
    contexts = [read_context(text) for text in TEXTS]
    index = index_contexts(contexts)
    query = read_context("Agent: Which card?\nCustomer: book a blue table please")
    expected = [[_dot(index, field, stored[k]) for stored in contexts] for k, field in enumerate(query)]
    assert index.similarities(query) == pytest.approx(np.array(expected), abs=2e-3)


def test_a_query_that_shares_nothing_has_similarity_0_everywhere() -> None:
    index = index_contexts([read_context(text) for text in TEXTS])
    assert not index.similarities(read_context("zzz")).any()


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, -np.inf]), min_size=1), st.integers(1, 8))
def test_best_is_a_stable_sort_of_what_is_in_reach(scores: list[float], count: int) -> None:
    expected = sorted((i for i, s in enumerate(scores) if s > -np.inf), key=lambda i: -scores[i])[:count]
    assert best(np.array(scores), count).tolist() == expected


def test_agreement_is_f1_of_shared_words_and_pairs() -> None:
    store = store_replies(["what time", "what day", "no", "What time?", "..."])
    # "what time" has what, time, (what, time); it shares one of three with "what day".
    assert store.agreement(np.arange(5))[0] == pytest.approx([1.0, 1 / 3, 0.0, 1.0, 0.0])


def test_agreement_is_of_the_replies_chosen_in_their_order() -> None:
    store = store_replies(["what time", "what day", "no", "what time now"])
    whole = store.agreement(np.arange(4))
    assert np.array_equal(store.agreement(np.array([3, 0, 2])), whole[np.ix_([3, 0, 2], [3, 0, 2])])


def test_softmax_survives_what_is_out_of_reach() -> None:
    assert softmax(np.array([1000.0, 1000.0, -np.inf]), 0.1).tolist() == [0.5, 0.5, 0.0]


def test_neighbours_outvote_an_odd_nearest_one() -> None:
    store = store_replies(["Goodbye!", "Which city is it?", "Which city?", "Which city should it be?"])
    elected = vote(store, np.arange(4), np.array([0.90, 0.88, 0.87, 0.86]))
    assert store.texts[elected.reply] == "Which city is it?"


def test_a_much_nearer_one_is_not_outvoted() -> None:
    store = store_replies(["Goodbye!", "Which city is it?", "Which city?"])
    assert vote(store, np.arange(3), np.array([2.0, 0.1, 0.1])).reply == 0


def test_replies_survive_storage_whatever_they_hold() -> None:
    store = store_replies(["", "nul \x00", "half a pair \ud83d", "naïve 火"])
    assert ReplyStore.load(store.arrays()).texts == store.texts


def _dot(index: ContextIndex, left: str, right: str) -> float:
    a, b = (dict(zip(*index.vocabulary.row(text), strict=True)) for text in (left, right))
    return float(sum(value * b.get(column, 0.0) for column, value in a.items()))
