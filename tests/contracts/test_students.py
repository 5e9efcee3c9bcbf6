"""What every student promises, whatever its kind: run over all six, trained on small generated rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from tests.contracts.letters import LetterCounts

from routenlp.backends.student import registry
from routenlp.backends.student.registry import KINDS
from routenlp.bench.datasets import generated
from routenlp.contracts import Student
from routenlp.errors import ArtefactError, SettingsError, TrainingError
from routenlp.grading.rouge import rouge_l
from routenlp.scoring.token_uncertainty import mean_uncertainty
from routenlp.store import artefacts
from routenlp.training import students
from routenlp.types import Example, Query, TrainingFold

ENCODER = LetterCounts()
CASES = [(kind, model) for kind in students.FITS for model in (students.NGRAM, students.MINILM)]
ODD = ["", "   ", "\x00", "\ud800 lone", "x" * 100_000, "word " * 20_000, "ß ٣ 漢字 🙂", "\n\n\n", "a"]


def calls(n: int) -> tuple[Example, ...]:
    """Made transcripts whose references repeat one of their lines."""
    rng = np.random.default_rng(0)
    out = []
    for i in range(n):
        figures = [
            f"revenue in the {q} quarter was {rng.integers(10, 99)} million dollars" for q in ("first", "second")
        ]
        chat = [f"thank you for joining call number {j} of our company today" for j in range(6)]
        lines = [*chat[:3], *figures, *chat[3:]]
        out.append(Example(Query(f"c{i}", "calls", "\n".join(lines)), figures[i % 2], f"c{i}"))
    return tuple(out)


@cache
def rows(kind: str) -> tuple[Example, ...]:
    if kind == "picker":
        return calls(40)
    task = {"classifier": "generated_intent", "tagger": "generated_entities", "retriever": "generated_reply"}[kind]
    return generated.generate(task).train[:250]


@dataclass(frozen=True)
class Case:
    """A student, its training rows, and what it handed out beside."""

    student: Student
    examples: tuple[Example, ...]
    held_out: dict[str, object]


@cache
def trained(kind: str, model: str) -> Case:
    examples = rows(kind)
    job = students.Job(TrainingFold(examples[0].query.task, examples), ENCODER, ENCODER, 0.5, 0)
    fitted = students.fit(kind, [model], job)[model]
    return Case(fitted.student, examples, dict(fitted.held_out))


@pytest.fixture(params=CASES, ids=["-".join(c) for c in CASES])
def case(request) -> Case:
    return trained(*request.param)


def queries(case: Case) -> list[Query]:
    first = case.examples[0].query
    odd = [Query(f"odd{i}", first.task, text, first.metadata) for i, text in enumerate(ODD)]
    return [*(e.query for e in case.examples[:5]), *odd]


def test_every_kind_of_student_is_run_here():
    assert {trained(*c).student.parts().kind for c in CASES} == set(KINDS)


def test_each_query_gets_one_prediction_in_order(case):
    asked = queries(case)
    assert len(case.student.predict(asked)) == len(asked)
    assert case.student.predict([]) == []


def test_the_papers_u_is_defined_for_every_text(case):
    for prediction in case.student.predict(queries(case)):
        assert prediction.token_probs
        assert mean_uncertainty(prediction.token_probs) is not None


def test_a_prediction_does_not_depend_on_the_batch(case):
    asked = queries(case)
    together = case.student.predict(asked)
    assert [case.student.predict([q])[0] for q in asked] == together
    assert case.student.predict(asked[::-1])[::-1] == together


def test_it_comes_back_from_the_artefact_store_saying_the_same(case, tmp_path):
    artefacts.write(tmp_path / "student", {"it": case.student.parts()})
    back = registry.load(artefacts.read(tmp_path / "student")["it"], [ENCODER])
    for ours, theirs in zip(back.predict(queries(case)), case.student.predict(queries(case)), strict=True):
        assert ours.text == theirs.text
        # Weights are stored in half precision; what is calibrated is what was read back.
        assert ours.token_probs == pytest.approx(theirs.token_probs, abs=0.01)


def test_the_same_rows_give_the_same_bytes(case, request):
    kind, model = request.node.callspec.params["case"]
    again = trained.__wrapped__(kind, model).student.parts()
    first = case.student.parts()
    assert first.meta == again.meta
    for name, array in first.arrays.items():
        assert array.tobytes() == again.arrays[name].tobytes(), name


def test_held_out_predictions_are_of_training_rows(case):
    assert case.held_out.keys() <= {e.query.id for e in case.examples}
    assert len(case.held_out) >= 0.15 * len(case.examples)


def test_it_knows_more_than_nothing(case):
    """On its own training rows a student's answers share words with the references; an untrained one's do not."""
    predictions = case.student.predict([e.query for e in case.examples])
    shared = [rouge_l(p.text, e.reference) for p, e in zip(predictions, case.examples, strict=True)]
    assert np.mean(shared) > 0.4


def test_a_dearer_student_is_refused_without_its_encoder():
    needing = [c for c in CASES if c[1] == students.MINILM]
    for kind, model in needing:
        with pytest.raises(ArtefactError):
            registry.load(trained(kind, model).student.parts(), [LetterCounts(name="another")])


@pytest.mark.parametrize("kind", list(students.FITS))
def test_no_training_rows_are_an_error_with_a_remedy(kind):
    job = students.Job(TrainingFold("t", ()), ENCODER, ENCODER, 0.5, 0)
    with pytest.raises(TrainingError, match=r"\."):
        students.fit(kind, [students.NGRAM], job)


def test_an_unknown_kind_or_model_is_named():
    job = students.Job(TrainingFold("t", rows("classifier")), ENCODER, ENCODER, 0.5, 0)
    with pytest.raises(SettingsError, match="'oracle'"):
        students.fit("oracle", [students.NGRAM], job)
    with pytest.raises(SettingsError, match="huge"):
        students.fit("classifier", ["huge"], job)
