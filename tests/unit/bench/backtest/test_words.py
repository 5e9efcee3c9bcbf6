from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.bench.backtest.made_backtest import result

from routenlp.conformal.verdict import Status
from routenlp.replay.backtest.certify import Target
from routenlp.replay.backtest.words import about


def test_a_certificate_is_told_in_one_sentence():
    assert (
        result()
        .summary()
        .startswith("You would have paid 31% of always-gpt, keeping at least 97% of its quality, with 90% confidence.")
    )


@pytest.mark.parametrize(
    ("guarantee", "promise"),
    [
        ("joint", "with at most 5% of all queries answered cheaply and wrongly, with 90% confidence"),
        ("conditional", "with at most 5% of the cheap answers wrong, with 90% confidence"),
        ("paper", "sending on at most 5% of the correct cheap answers, on average over calibrations"),
    ],
)
def test_every_rule_is_told_by_its_own_promise(guarantee, promise):
    assert promise in result(target=Target(guarantee)).summary()


def test_paper_says_what_it_does_not_bound():
    assert "how many of the accepted answers are wrong it does not bound" in result(target=Target("paper")).summary()


def test_an_approximation_is_called_one():
    assert "about 90% confidence (a normal approximation)" in result(status=Status.ASYMPTOTIC).summary()


def test_what_was_only_seen_is_not_called_proved():
    text = result(status=Status.EMPIRICAL).summary()
    assert "not proved" in text
    assert "confidence." not in text.splitlines()[0]


@pytest.mark.parametrize("status", [Status.UNCERTIFIED, Status.CERTIFIED])
def test_where_nothing_is_saved_it_says_so_and_claims_nothing(status):
    text = result(status=status, cost=1.0, selected=0).summary()
    assert text.startswith("You would have saved nothing: no policy cheaper than always-gpt could be proved to keep")
    assert "would have paid" not in text


@pytest.mark.parametrize(
    ("needed", "said"),
    [(1_200, "about 1,200 more graded queries"), (0, "as many graded queries as these"), (None, "No number of labels")],
)
def test_labels_still_needed(needed, said):
    assert said in result(labels_still_needed=needed).summary()


def test_a_single_split_has_no_share_of_splits():
    assert "splits" not in result(repeats=1).summary()
    assert "over 20 splits, missing the target in 10%" in result().summary()


def test_estimated_prices_are_shouted():
    found = result()
    estimated = replace(found, recording=replace(found.recording, cost_kind="estimated"))
    assert "ESTIMATES" in estimated.summary()
    assert "ESTIMATES" not in found.summary()


def test_a_notebook_shows_words_and_systems():
    shown = result()._repr_markdown_()
    assert shown.startswith("You would have paid")
    assert "| random_mix | 30.0% [29.0%, 31.0%] | 97.0% [96.0%, 98.0%] | 10% |" in shown


@pytest.mark.parametrize(("n", "said"), [(7, "7"), (45, "45"), (1_234, "1,200"), (261_158, "260,000")])
def test_numbers_of_labels_claim_two_digits(n, said):
    assert about(n) == said
