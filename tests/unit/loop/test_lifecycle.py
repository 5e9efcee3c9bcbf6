"""The table of moves: what is legal, what is not, and that nothing skips the gate unseen."""

from __future__ import annotations

import itertools

import pytest

from routenlp.errors import IllegalMove
from routenlp.loop.lifecycle import NEXT, State, check_move


def test_a_candidate_goes_from_draft_to_retired():
    path = [State.DRAFT, State.CALIBRATED, State.SHADOW, State.CANARY, State.ACTIVE, State.RETIRED]
    for before, after in itertools.pairwise(path):
        check_move("v", before, after)


@pytest.mark.parametrize("state", sorted(set(State) - {State.RETIRED, State.REJECTED}))
def test_everything_before_its_end_can_be_rejected(state):
    check_move("v", state, State.REJECTED)


def test_every_state_has_its_row():
    assert set(NEXT) == set(State)


@pytest.mark.parametrize(("before", "after"), [p for p in itertools.product(State, State) if p[1] not in NEXT[p[0]]])
def test_other_moves_say_what_would_be_legal(before, after):
    with pytest.raises(IllegalMove, match=f"is {before} and cannot become {after}"):
        check_move("v", before, after)


def test_nothing_is_served_to_a_share_that_was_not_in_shadow():
    assert [before for before in State if State.CANARY in NEXT[before]] == [State.SHADOW]


def test_rejected_is_final():
    assert not NEXT[State.REJECTED]
