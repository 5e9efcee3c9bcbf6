"""Best of n: what is known without the reference, and what the reranker makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.bench.record.rows import candidate, candidates, row

from routenlp.backends.generations import read_generations
from routenlp.bench.record.choosing import FEATURES, choose, describe, fit_choice
from routenlp.bench.record.roles import Role
from routenlp.bench.record.steps import choose_best, generation, record
from routenlp.errors import MissingData

TEXTS = ("we sell shoes", "the train leaves at nine", "the train leaves at ten")


def test_agreement_is_with_the_others_and_the_reference_plays_no_part():
    answers = [candidate(text) for text in TEXTS]
    found = describe(row("a"), answers)
    assert found.shape == (3, len(FEATURES))
    assert found[0, 0] == 0.0
    assert found[1, 0] == pytest.approx(0.4)
    np.testing.assert_array_equal(found, describe(row("a", "something else"), answers))


def test_the_reranker_learns_to_give_what_the_others_agree_with():
    learned = [(row(f"r{i}"), candidates(f"r{i}", *np.roll(TEXTS, i % 3).tolist())) for i in range(40)]
    reranker = fit_choice(learned, 0.5)
    chosen = choose(reranker, row("new"), candidates("new", *TEXTS))
    assert TEXTS[chosen].startswith("the train")


def test_the_reranker_learns_from_its_own_rows_alone():
    rows = [row(f"r{i}", role=Role.RERANKER, fold="train") for i in range(20)]
    rows.append(row("t", "we sell shoes", fold="test"))
    said = [candidates(one.id, *TEXTS) for one in rows]
    first, _ = choose_best(rows, said, 0.5)
    second, _ = choose_best([*rows[:-1], row("t", "other words", fold="test")], said, 0.5)
    np.testing.assert_array_equal(first.weights, second.weights)
    with pytest.raises(MissingData, match="reranker"):
        choose_best(rows[-1:], said[-1:], 0.5)


def test_what_is_recorded_is_the_chosen_answer_and_no_row_that_was_learned_from(tmp_path):
    rows = [row(f"r{i}", role=Role.RERANKER, fold="train", start=True) for i in range(12)]
    taught = row("g", role=Role.GENERATOR, fold="train", start=True)
    said = [candidates(one.id, *TEXTS) for one in rows]
    _, chosen = choose_best(rows, said, 0.5)
    record(tmp_path, [*rows, taught], said, chosen)
    prompted = list(read_generations(tmp_path / "smollm2.jsonl.gz"))
    tuned = list(read_generations(tmp_path / "tuned.jsonl.gz"))
    assert [g.id for g in prompted] == [g.id for g in tuned] == [one.id for one in rows]
    assert {g.answer for g in prompted} == {TEXTS[0]}
    assert {g.answer for g in tuned} == {TEXTS[chosen[0].at]}
    assert b'"g"' in (tmp_path / "taught.json").read_bytes()


def test_the_end_token_is_paid_for():
    made = generation(candidates("a", "hello there"), 0)
    assert (made.input_tokens, made.output_tokens, made.ended) == (7, 3, "stop")
