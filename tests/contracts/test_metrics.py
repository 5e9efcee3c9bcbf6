"""One suite over every registered metric."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.contracts import Metric
from routenlp.grading.entities import Entity, to_text
from routenlp.grading.metrics import METRICS, metric

PERFECT = {
    "accuracy": "card_arrival",
    "entity_f1": to_text([Entity("ORG", "Acme"), Entity("MONEY", "$ 5")]),
    "rouge_l": "Your cab is booked.",
}
UNREADABLE = [
    "",
    " \n",
    "\x00",
    "\ud800\udfff",
    "[" * 100_000,
    "z" * 100_000,
    "{}",
    "[1, 2]",
    "null",
    '{"type": 1',
]

every_metric = pytest.mark.parametrize("m", METRICS.values(), ids=list(METRICS))
any_text = st.text(st.characters(codec=None, categories=None))


@every_metric
def test_it_is_registered_under_its_own_name(m: Metric) -> None:
    assert metric(m.name) is m


@every_metric
def test_the_reference_itself_is_perfect(m: Metric) -> None:
    assert m.quality(PERFECT[m.name], PERFECT[m.name]) == 1.0


@every_metric
@pytest.mark.parametrize("answer", UNREADABLE, ids=lambda text: ascii(text)[:12])
def test_an_answer_that_cannot_be_read_has_quality_0(m: Metric, answer: str) -> None:
    assert m.quality(answer, PERFECT[m.name]) == 0.0


@every_metric
@given(answer=any_text, reference=any_text)
def test_quality_lies_in_the_unit_interval(m: Metric, answer: str, reference: str) -> None:
    assert 0.0 <= m.quality(answer, reference) <= 1.0


@every_metric
@given(data=st.data())
def test_answer_and_reference_may_change_places(m: Metric, data: st.DataObject) -> None:
    words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=6)
    left, right = (_answer(m, data.draw(words)) for _ in range(2))
    assert m.quality(left, right) == pytest.approx(m.quality(right, left))


@every_metric
def test_corpus_figures_of_perfect_answers_are_1(m: Metric) -> None:
    figures = m.corpus([PERFECT[m.name]] * 3, [PERFECT[m.name]] * 3)
    assert figures
    assert all(value == 1.0 for value in figures.values())


@every_metric
def test_corpus_figures_of_no_rows_are_absent(m: Metric) -> None:
    assert m.corpus([], []) == {}


@every_metric
def test_corpus_refuses_lists_of_different_length(m: Metric) -> None:
    with pytest.raises(ValueError, match="zip"):
        m.corpus(["a"], [])


def _answer(m: Metric, words: list[str]) -> str:
    return to_text(Entity("T", word) for word in words) if m.name == "entity_f1" else " ".join(words)
