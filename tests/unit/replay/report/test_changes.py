from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from routenlp.loop.lifecycle import State
from routenlp.replay.report.changes import NOTHING, TOP, By, Change, History, changes
from routenlp.store.policy_versions import Move
from routenlp.store.sql.monitoring import Alarm
from routenlp.store.sql.recalibrations import Attempt
from routenlp.store.sql.reported import Period, ServedPolicy

ALL = Period(0.0, 1e9)


def move(at_s: float, version: str, before: State | None, after: State, who: str = "turn", **more: Any) -> Move:
    share = more.pop("share", float(after is State.ACTIVE))
    return Move(at_s, version, before, after, share, who, {"kind": "canary"} | more)


def found(
    moves: Sequence[Move] = (),
    *,
    attempts: Sequence[Attempt] = (),
    alarms: Sequence[Alarm] = (),
    served: Sequence[ServedPolicy] = (),
    period: Period = ALL,
) -> tuple[Change, ...]:
    return changes(History(moves, [], attempts, alarms, served), period).made


def test_each_change_says_from_what_to_what() -> None:
    made = found(
        [
            move(1.0, "a", State.CALIBRATED, State.ACTIVE, kind="first"),
            move(2.0, "b", State.SHADOW, State.CANARY, share=0.05),
            move(3.0, "b", State.CANARY, State.CANARY, share=0.05),
            move(4.0, "b", State.CANARY, State.CANARY, share=0.25),
            move(5.0, "b", State.CANARY, State.ACTIVE),
            move(5.0, "a", State.ACTIVE, State.RETIRED, kind="superseded"),
        ]
    )
    assert [(c.before, c.after, c.share) for c in made] == [
        (NOTHING, "a", 1.0),
        ("a", "b", 0.05),
        ("a", "b", 0.25),
        ("a", "b", 1.0),
    ]
    assert {c.by for c in made} == {By.ITSELF}


def test_a_canary_that_is_taken_back_gives_way_to_what_served() -> None:
    made = found(
        [
            move(1.0, "a", State.CALIBRATED, State.ACTIVE),
            move(2.0, "b", State.SHADOW, State.CANARY, share=0.05),
            move(3.0, "b", State.CANARY, State.REJECTED),
        ]
    )
    assert (made[-1].before, made[-1].after) == ("b", "a")


@pytest.mark.parametrize(
    ("who", "evidence", "by"),
    [
        ("policies promote", {"kind": "by hand"}, By.HAND),
        ("policies rollback", {"kind": "roll-back"}, By.HAND),
        ("policies promote", {"kind": "canary"}, By.ASKED),
        ("recalibration", {"kind": "recalibration", "task": "intent", "trigger": "by hand"}, By.ASKED),
        ("recalibration", {"kind": "recalibration", "task": "intent", "trigger": "alarm"}, By.ITSELF),
        ("turn", {"kind": "by hand"}, By.ITSELF),
    ],
)
def test_a_persons_part_is_told_apart(who: str, evidence: dict[str, str], by: By) -> None:
    (made,) = found([move(1.0, "a", State.CALIBRATED, State.ACTIVE, who, **evidence)])
    assert made.by is by


def test_an_alarm_takes_its_task_to_the_top_tier_and_a_hand_may_take_it_back() -> None:
    made = found(alarms=[Alarm("intent", 1.0, "p" * 64, {"kind": "alarm"}, 2.0, "by hand: a mistake")])
    assert [(c.after, c.by) for c in made] == [(TOP, By.ITSELF), ("its policy", By.HAND)]


def test_a_policy_that_no_move_put_there_counts_as_by_hand() -> None:
    served = [ServedPolicy("a", 1.0, 5.0, 10), ServedPolicy("b", 6.0, 9.0, 10), ServedPolicy("c", 10.0, 12.0, 10)]
    made = found([move(5.5, "v", State.CALIBRATED, State.ACTIVE)], served=served)
    assert [(c.at_s, c.by) for c in made] == [(5.5, By.ITSELF), (10.0, By.HAND)]


def test_only_the_period_and_the_task_are_shown() -> None:
    alarms = [Alarm("intent", 1.0, "p", {}), Alarm("quick", 2.0, "p", {}), Alarm("intent", 3.0, "p", {})]
    made = found(alarms=alarms, period=Period(1.5, 10.0, "intent"))
    assert [c.at_s for c in made] == [3.0]


def test_calibrations_that_changed_nothing_are_told_too() -> None:
    tried = Attempt("intent", 1.0, "alarm", "not proved", None, {})
    history = History([], [], [tried, Attempt("intent", 2.0, "alarm", "active", "v", {})], [], [])
    assert changes(history, ALL).tried == (tried,)
