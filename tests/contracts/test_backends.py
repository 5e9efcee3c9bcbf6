"""What every backend promises: its own tier's name, counted tokens, a price paid, a latency, a typed refusal."""

from __future__ import annotations

import itertools

import pytest
from tests.contracts.test_students import ODD, rows, trained

from routenlp.backends.recorded import RecordedBackend
from routenlp.backends.student.backend import StudentBackend
from routenlp.errors import BackendError
from routenlp.portfolio.prices import Price, count_tokens
from routenlp.portfolio.tiers import Tier
from routenlp.types import Query

TEXTS = dict(enumerate(["where is my order", *ODD]))


def student(tier):
    clock = itertools.count(0.0, 0.25).__next__
    return StudentBackend(tier, {"generated_intent": trained("classifier", "ngram").student}, clock)


def recorded(tier):
    return RecordedBackend(tier, {str(i): "a label" for i in TEXTS})


@pytest.fixture(params=[student, recorded], ids=["student", "recorded"])
def backend(request):
    return request.param(Tier("tier", "x", Price(3.0, 7.0)))


@pytest.mark.parametrize("i", TEXTS)
def test_an_answer_is_priced_by_its_tokens(backend, i):
    query = Query(str(i), "generated_intent", TEXTS[i])
    answer = backend.answer(query)
    assert answer.tier == "tier"
    assert answer.input_tokens == count_tokens(query.text)
    assert answer.output_tokens == count_tokens(answer.text)
    assert answer.cost_usd == pytest.approx((3.0 * answer.input_tokens + 7.0 * answer.output_tokens) / 1e6)
    assert answer.latency_s > 0.0


def test_what_it_cannot_answer_is_a_backend_error(backend):
    with pytest.raises(BackendError, match="tier"):
        backend.answer(Query("unknown", "another task", "text"))


def test_a_batch_says_what_single_questions_say():
    backend = student(Tier("tier", "student", Price(3.0, 7.0)))
    queries = [e.query for e in rows("classifier")[:20]]
    together = backend.answer_all("generated_intent", queries)
    assert [a.text for a in together] == [backend.answer(q).text for q in queries]
