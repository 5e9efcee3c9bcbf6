"""Human evaluation: what the verdicts say, and that nothing is said where people said nothing."""

from __future__ import annotations

import pytest

from routenlp.replay.intervals import UNKNOWN, wilson
from routenlp.replay.report.human import HumanEvaluation, human_evaluation
from routenlp.store.sql.pairs import ReportedPair

WORDS = {"w": "win", "t": "tie", "l": "loss"}


def pair(i: int, said: str = "", *, same: bool = False, chance: float = 0.5, group=None, first=None, top="top"):
    """`said`: a letter a rater."""
    verdicts = {f"rater{k}": WORDS[letter] for k, letter in enumerate(said)}
    chosen = {rater: bool(first) for rater, word in verdicts.items() if word != "tie"}
    return ReportedPair(f"{i:032x}", "drafts", chance, top, same, group or f"g{i}", verdicts, chosen)


def of(pairs) -> HumanEvaluation:
    return human_evaluation("drafts", pairs, "top", seed=0)


def shares(found):
    return tuple(one.estimate for one in (found.win, found.tie, found.loss, found.as_good))


def test_nothing_drawn_and_nothing_said_is_not_rated() -> None:
    for pairs in ([], [pair(i) for i in range(50)], [pair(0), pair(1, same=True)]):
        found = of(pairs)
        assert not found.rated
        assert (found.win, found.tie, found.loss, found.as_good, found.first_chosen) == (UNKNOWN,) * 5


def test_equal_answers_alone_are_ties() -> None:
    found = of([pair(i, same=True) for i in range(40)])
    assert (found.rated, shares(found)) == (True, (0.0, 1.0, 0.0, 1.0))
    assert found.as_good.low is not None
    assert 0.8 < found.as_good.low < 1.0


def test_shares_of_verdicts_with_wilsons_interval() -> None:
    found = of([pair(i, "w" if i < 50 else "t" if i < 149 else "l") for i in range(200)])
    assert shares(found) == pytest.approx((0.25, 0.495, 0.255, 0.745))
    expected = wilson(149, 200)
    assert found.as_good.low == pytest.approx(expected.low, abs=0.004)
    assert found.as_good.high == pytest.approx(expected.high, abs=0.004)


def test_raters_of_a_pair_share_it() -> None:
    assert shares(of([pair(0, "wl"), pair(1, "ttl")])) == pytest.approx((0.25, 1 / 3, 5 / 12, 7 / 12))


def test_those_compared_stand_for_all_that_were_asked_and_not_for_the_equal_ones() -> None:
    equal = [pair(i, same=True) for i in range(40)]
    asked = [pair(100 + i, "wl"[i % 2] if i < 10 else "") for i in range(60)]
    found = of([*equal, *asked])
    assert shares(found) == pytest.approx((0.3, 0.4, 0.3, 0.7))
    assert (found.drawn, found.same, found.compared, found.verdicts) == (100, 40, 10, 10)


def test_a_pair_counts_for_as_many_queries_as_it_stands_for() -> None:
    found = of([pair(0, "w", chance=0.1), pair(1, "l", chance=0.5)])
    assert shares(found) == pytest.approx((10 / 12, 0.0, 2 / 12, 10 / 12))


def test_one_long_conversation_says_less_than_many_short_ones() -> None:
    many = [pair(i, "wwl"[i % 3]) for i in range(300)]
    alike = [pair(i, "wwl"[i % 60 // 20], group=f"g{i // 20 * 20 % 60}-{i // 6 % 40}") for i in range(300)]
    wide, narrow = (one.as_good for one in (of(alike), of(many)))
    assert wide.high - wide.low > narrow.high - narrow.low


def test_what_nobody_said_once_is_bounded_by_what_was_compared() -> None:
    pairs = [pair(i, same=True) for i in range(50)] + [pair(100 + i, "w" if i < 40 else "") for i in range(50)]
    loss = of(pairs).loss
    assert (loss.estimate, loss.low) == (0.0, 0.0)
    assert loss.high == pytest.approx(wilson(0, 80).high)


def test_under_thirty_conversations_there_is_no_interval() -> None:
    found = of([pair(i, "w") for i in range(29)])
    assert (found.as_good.estimate, found.as_good.low) == (1.0, None)


def test_agreement_is_of_pairs_with_several_raters() -> None:
    pairs = [pair(i, "ww" if i % 2 else "ll") for i in range(20)] + [pair(50 + i, "wl") for i in range(20)]
    both = of([*pairs, *[pair(100 + i, "t") for i in range(20)]]).agreement
    assert (both.pairs, both.same.estimate) == (40, 0.5)
    assert both.alpha.estimate == pytest.approx(1.0 - 79 * 40 / (80 * 80 - 2 * 40 * 40))
    assert both.alpha.low < both.alpha.estimate < both.alpha.high


def test_one_rater_agrees_with_nobody_and_one_word_says_nothing_of_agreement() -> None:
    assert of([pair(i, "w") for i in range(40)]).agreement.pairs == 0
    alike = of([pair(i, "ww") for i in range(40)]).agreement
    assert (alike.alpha.estimate, alike.same.estimate) == (None, 1.0)


def test_the_share_of_a_shows_who_chooses_by_place() -> None:
    fair = of([pair(i, "w", first=i % 2) for i in range(200)]).first_chosen
    biased = of([pair(i, "w", first=i % 10) for i in range(200)]).first_chosen
    assert fair.low < 0.5 < fair.high
    assert biased.low > 0.5


def test_pairs_against_a_tier_that_is_no_longer_the_top_one_do_not_count() -> None:
    found = of([pair(0, "w", top="old"), pair(1, "l")])
    assert (found.drawn, found.other_top, found.loss.estimate) == (1, 1, 1.0)
