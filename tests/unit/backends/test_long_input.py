"""A backend behind a window: what does not fit is refused, or read in parts with every call counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from routenlp.backends.long_input import LongBackend, TooLong
from routenlp.cascade.long_input import Window
from routenlp.types import Answer, Query, Turn

LONG = "Revenue rose by twelve per cent in the third quarter. " * 100


@dataclass
class Model:
    """Says a note of each text that it holds; `holds` characters."""

    holds: int = 100_000
    asked: list[Query] = field(default_factory=list)
    says: str = "a note"

    def answer(self, query: Query) -> Answer:
        self.asked.append(query)
        if len(query.text) > self.holds:
            raise TooLong("tier 't'", "is too small", "Ask another.")
        return Answer("t", self.says, (0.1 * len(self.asked) % 1.0,), len(query.text), 5, 0.01, 0.5)


def backend(model: Model, how="map_reduce", tokens: int = 512) -> LongBackend:
    return LongBackend("t", model, Window(tokens, how))


def test_what_fits_is_asked_once() -> None:
    model = Model()
    query = Query("q", "sums", "short", {"schema": "x"}, (Turn("user", "hello"),))
    assert backend(model).answer(query).cost_usd == 0.01
    assert model.asked == [query]


@pytest.mark.parametrize("text", [LONG, "x" * 10_000])
def test_what_does_not_fit_is_not_asked(text: str) -> None:
    model = Model()
    with pytest.raises(TooLong, match="'q' does not fit"):
        backend(model, "escalate").answer(Query("q", "sums", text))
    assert model.asked == []


def test_all_calls_are_added_up() -> None:
    model = Model()
    answer = backend(model).answer(Query("q", "sums", LONG, {"schema": "x"}, (Turn("user", "hello"),)))
    calls = len(model.asked)
    assert calls > 3
    assert answer.cost_usd == pytest.approx(0.01 * calls)
    assert answer.latency_s == pytest.approx(0.5 * calls)
    assert answer.output_tokens == 5 * calls
    assert answer.input_tokens == sum(len(query.text) for query in model.asked)
    last = model.asked[-1]
    assert (last.id, last.metadata, last.turns) == ("q", {"schema": "x"}, (Turn("user", "hello"),))
    assert len({query.id for query in model.asked}) == calls


def test_a_model_that_holds_less_than_thought_gets_smaller_parts() -> None:
    model = Model(holds=900)
    answer = backend(model).answer(Query("q", "sums", LONG))
    answered = [query for query in model.asked if len(query.text) <= 900]
    assert answer.cost_usd == pytest.approx(0.01 * len(answered))
    with pytest.raises(TooLong):
        backend(Model(holds=10)).answer(Query("q", "sums", LONG))


def test_a_refusal_of_what_should_have_fitted_is_read_in_parts() -> None:
    model = Model(holds=1_000)
    assert backend(model).answer(Query("q", "sums", LONG[:1_400])).text == "a note"
    with pytest.raises(TooLong):
        backend(Model(holds=1_000), "escalate").answer(Query("q", "sums", LONG[:1_400]))


@pytest.mark.parametrize("model", [Model(says=" "), Model(says=LONG)], ids=["empty", "endless"])
def test_notes_that_say_nothing_or_never_end_are_too_long_and_not_for_ever(model: Model) -> None:
    with pytest.raises(TooLong):
        backend(model).answer(Query("q", "sums", LONG))
    assert len(model.asked) < 200
