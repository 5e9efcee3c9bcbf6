"""A guess never leads around a wall."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.gateway.test_audit_draw import settings

from routenlp.conformal.verdict import Status
from routenlp.gateway.aim import aim_of
from routenlp.gateway.errors import ApiError
from routenlp.gateway.live import Live, served_tasks
from routenlp.gateway.request import ChatRequest, parse
from routenlp.gateway.untagged import GuessesTasks, of_untagged
from routenlp.router.task_classifier import TaskClassifier
from routenlp.store.sql.keys import KeyRow

TASKS = ("one", "walled", "alone", "gone")
TREE = "content: {store: audits}"


class Reads:
    """An encoder of texts like `one:5 walled:2`: how much each of `TASKS` is meant."""

    name, dim = "reads", len(TASKS)

    def encode(self, texts):
        said = [dict(part.split(":") for part in text.split()) for text in texts]
        return np.array([[float(row.get(task, 0.0)) for task in TASKS] for row in said], dtype=np.float32)


class Fails(Reads):
    def encode(self, texts):
        raise RuntimeError("broken")


def guesses(encoder=None, **changes) -> GuessesTasks:
    t = len(TASKS)
    made = {"sure_from": 0.9, "plausible_from": np.full(t, 0.1)} | changes
    classifier = TaskClassifier(
        TASKS,
        np.eye(t, dtype=np.float32),
        np.zeros(t),
        np.eye(t, dtype=np.float32),
        np.full(t, 0.5),
        np.full(t, 0.5),
        **made,
    )
    return GuessesTasks(encoder or Reads(), classifier)


def live(by: GuessesTasks, more: str = TREE) -> Live:
    tree = settings(more)
    known = dict.fromkeys(("one", "walled", "alone"), Status.CERTIFIED)
    return Live(tree, dict.fromkeys("abc"), served_tasks(tree, known), None, by)


def request(text: str, model: str = "auto") -> ChatRequest:
    return parse(b'{"model": "%s", "messages": [{"role": "user", "content": "%s"}]}' % (model.encode(), text.encode()))


def key(*tasks: str) -> KeyRow:
    return KeyRow("k", "k", 0.0, tasks=frozenset(tasks))


def served(text: str, by: GuessesTasks | None = None, who: KeyRow | None = None, more: str = TREE):
    by = by or guesses()
    return of_untagged(by, request(text), who, live(by, more)).served


def test_a_sure_guess_is_served_as_that_task() -> None:
    found = served("one:9")
    assert (found.task, found.tiers, found.status, found.routed) == ("one", ("a", "b", "c"), Status.CERTIFIED, True)


def test_an_unsure_one_is_default_within_the_walls_of_all_that_it_may_be() -> None:
    found = served("one:4 walled:4")
    assert (found.task, found.tiers) == ("default", ("a", "b"))


def test_a_task_that_is_never_ruled_out_walls_in_even_a_sure_guess() -> None:
    found = served("one:9", guesses(plausible_from=np.array([0.1, 0.0, 0.1, 0.1])))
    assert (found.task, found.tiers) == ("one", ("a", "b"))


def test_a_guess_whose_last_tier_is_cut_off_has_no_certificate_and_is_not_routed() -> None:
    found = served("one:9", guesses(plausible_from=np.array([0.1, 0.0, 0.1, 0.1])))
    assert (found.status, found.routed, found.audit_tiers) == (Status.UNCERTIFIED, False, ("a", "b"))


def test_a_guess_never_goes_beyond_what_default_may() -> None:
    found = served(
        "one:9", more=TREE + "\ntasks: {one: {}, walled: {allowed_tiers: [a, b]}, default: {allowed_tiers: [a]}}"
    )
    assert (found.task, found.tiers) == ("one", ("a",))


def test_a_key_that_may_not_ask_default_is_held_to_its_own_tasks_walls() -> None:
    more = TREE + "\ntasks: {one: {}, walled: {allowed_tiers: [a, b]}, default: {allowed_tiers: [a]}}"
    assert served("one:9", who=key("one"), more=more).tiers == ("a", "b", "c")
    assert served("one:9", who=key("one", "default"), more=more).tiers == ("a",)


def test_a_task_that_the_key_may_not_ask_is_never_assigned() -> None:
    assert served("one:9", who=key("walled", "default")).task == "default"


def test_walls_that_exclude_each_other_leave_defaults_own() -> None:
    more = TREE + "\ntasks: {one: {allowed_tiers: [a]}, walled: {allowed_tiers: [b]}}"
    found = served("one:1 walled:1", more=more)
    assert (found.task, found.tiers) == ("default", ("a", "b", "c"))


def test_a_task_that_the_settings_do_not_know_is_never_assigned_and_walls_nothing() -> None:
    found = served("gone:9")
    assert (found.task, found.tiers) == ("default", ("a", "b", "c"))


def test_a_broken_classifier_means_default_and_is_told(caplog) -> None:
    by = guesses(Fails())
    aim = aim_of(request("one:9"), {}, live(by))
    assert (aim.served.task, aim.task_source, aim.failsafe) == ("default", "default", ("classifier",))
    assert "task classifier failed" in caplog.text


@pytest.mark.parametrize(
    ("model", "headers"), [("auto:walled", {}), ("auto", {b"x-routenlp-task": b"walled"}), ("b", {})]
)
def test_what_the_caller_says_is_not_guessed_at(model, headers) -> None:
    aim = aim_of(request("one:9", model), headers, live(guesses(Fails())))
    assert (aim.guess, aim.failsafe) == (None, ())


def test_an_empty_header_is_a_slip_of_the_pen_and_not_a_query_without_a_tag() -> None:
    with pytest.raises(ApiError) as caught:
        aim_of(request("one:9"), {b"x-routenlp-task": b""}, live(guesses()))
    assert caught.value.status == 404


def test_what_is_made_of_a_pair_of_task_and_tiers_is_made_once() -> None:
    by = guesses(plausible_from=np.array([0.1, 0.0, 0.1, 0.1]))
    now = live(by)
    found = [of_untagged(by, request(f"one:{n}"), None, now).served for n in (8, 9)]
    assert found[0] is found[1]
