"""Each metric's own figures. What all of them promise is in tests/contracts/test_metrics.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from routenlp.errors import SettingsError
from routenlp.grading.entities import Entity, to_text
from routenlp.grading.metrics import metric

labels = st.sampled_from(["low", "medium", "high", "other"])


def entities(*pairs: tuple[str, str]) -> str:
    return to_text(Entity(kind, text) for kind, text in pairs)


@given(st.lists(st.tuples(labels, labels), min_size=1))
def test_macro_f1_is_that_of_scikit_learn_over_the_labels_expected(pairs: list[tuple[str, str]]) -> None:
    answers, references = [a for a, _ in pairs], [r for _, r in pairs]
    known = sorted(set(references))
    expected = f1_score(references, answers, labels=known, average="macro", zero_division=0)
    assert metric("accuracy").corpus(answers, references)["macro_f1"] == pytest.approx(expected)


def test_white_space_around_a_label_does_not_count() -> None:
    assert metric("accuracy").quality(" low\n", "low") == 1.0


def test_labels_differ_by_case() -> None:
    assert metric("accuracy").quality("Low", "low") == 0.0


def test_an_answer_outside_the_label_set_lowers_recall_only() -> None:
    figures = metric("accuracy").corpus(["low", "banana"], ["low", "low"])
    assert figures == {"accuracy": 0.5, "macro_f1": pytest.approx(2 / 3)}


def test_entities_are_a_multiset() -> None:
    twice = entities(("ORG", "Acme"), ("ORG", "Acme"))
    assert metric("entity_f1").quality(entities(("ORG", "Acme")), twice) == pytest.approx(2 / 3)


def test_micro_f1_adds_counts_before_dividing() -> None:
    answers = [entities(("ORG", "Acme")), entities()]
    references = [entities(("ORG", "Acme")), entities(("ORG", "A"), ("ORG", "B"), ("ORG", "C"))]
    assert metric("entity_f1").corpus(answers, references) == {"micro_f1": pytest.approx(2 / 5)}


def test_micro_f1_of_nothing_expected_and_nothing_found_is_perfect() -> None:
    assert metric("entity_f1").corpus(["[]", "[]"], ["[]", "[]"]) == {"micro_f1": 1.0}


def test_an_unreadable_answer_is_wrong_even_where_nothing_was_expected() -> None:
    assert metric("entity_f1").quality("no entities", "[]") == 0.0


def test_corpus_rouge_l_is_the_mean() -> None:
    assert metric("rouge_l").corpus(["a b", "x"], ["a b", "y"]) == {"rouge_l": pytest.approx(0.5)}


def test_an_unknown_metric_is_refused_with_the_known_names() -> None:
    with pytest.raises(SettingsError, match=r"'bleu'.*accuracy, entity_f1, rouge_l"):
        metric("bleu")
