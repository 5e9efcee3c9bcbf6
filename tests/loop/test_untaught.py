"""A task that a turn teaches nothing is as it was: students, router, rule, certificate, and what it answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.loop import turn_world as world
from tests.loop.turn_world import Stages

from routenlp import wiring
from routenlp.cascade.per_task import rule_of
from routenlp.cascade.policy import fingerprint
from routenlp.conformal.verdict import Status
from routenlp.loop.lifecycle import State
from routenlp.router.per_task import router_of
from routenlp.store.policy_versions import open_versions, read_versions
from routenlp.store.turn_lock import hold
from routenlp.worker.in_force import PoliciesInForce, decides_on
from routenlp.worker.renewed import kept_ladders
from routenlp.worker.turn.run import plan_only

pytestmark = pytest.mark.slow
TAUGHT, UNTAUGHT = "generated_intent", "generated_entities"


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    """After a turn in which one of two tasks had too few gate rows; the candidate serves."""
    root = tmp_path_factory.mktemp("untaught")
    world.make(root)
    world.keep_gate_rows(root, UNTAUGHT, 5)
    ended = world.turn(root)
    assert ended.outcome == "shadow", ended.reasons
    store = world.store_in(root)
    with hold(store, "test", world.NOW_S) as held, open_versions(store) as versions:
        before = versions.folder(versions.pointer().active)
        for state in (State.CANARY, State.ACTIVE):
            versions.move(held, ended.version, state, {}, now_s=world.NOW_S, share=1.0)
        after = versions.folder(versions.pointer().active)
    assert before != after
    return root, ended, before, after


@pytest.fixture(scope="module")
def policies(promoted):
    root, _, *folders = promoted
    return [wiring.serving_policy(world.settings_in(root), folder).policy for folder in folders]


def files_of(folder: Path, task: str) -> dict[str, bytes]:
    parts = [path for name in ("tiers", "held-out", "rows") for path in (folder / name).rglob(f"{task}.*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in parts}


def test_the_files_of_its_students_and_rows_are_the_same_bytes(promoted):
    *_, before, after = promoted
    assert {"tiers/ngram/generated_entities.json", "rows/generated_entities.json"} <= set(files_of(before, UNTAUGHT))
    assert files_of(before, UNTAUGHT) == files_of(after, UNTAUGHT)
    assert files_of(before, TAUGHT) != files_of(after, TAUGHT)


def test_its_router_rule_and_ladder_are_the_same_bytes(promoted, policies):
    *_, before, after = promoted
    old, new = policies
    pairs = [
        (router_of(old.router, UNTAUGHT), router_of(new.router, UNTAUGHT)),
        (rule_of(old.stop_rule, UNTAUGHT), rule_of(new.stop_rule, UNTAUGHT)),
        (kept_ladders(before)[UNTAUGHT], kept_ladders(after)[UNTAUGHT]),
    ]
    for then, now in pairs:
        assert fingerprint(then.parts()) == fingerprint(now.parts())
    assert fingerprint(router_of(old.router, TAUGHT).parts()) != fingerprint(router_of(new.router, TAUGHT).parts())


def test_its_certificate_goes_on_bound_to_the_policy_that_serves_now(policies):
    old, new = (policy.certificates[UNTAUGHT] for policy in policies)
    assert replace(new, proved_for=old.proved_for) == old
    assert new.proved_for == policies[1].proved_for() != policies[0].proved_for()
    assert policies[1].status(UNTAUGHT) is policies[0].status(UNTAUGHT) is not Status.UNCERTIFIED
    assert policies[1].certificates[TAUGHT].issued_at != policies[0].certificates[TAUGHT].issued_at


def test_audits_of_before_and_after_say_the_same_of_it(promoted, policies):
    root, *_ = promoted
    old, new = (decides_on(policy) for policy in policies)
    assert old[UNTAUGHT] == new[UNTAUGHT]
    assert old[TAUGHT] != new[TAUGHT]
    with read_versions(world.store_in(root)) as versions:
        now = PoliciesInForce(world.settings_in(root), versions)()
    assert now.since_s == {UNTAUGHT: 0.0, TAUGHT: world.NOW_S}


def test_only_what_was_taught_is_gated_and_the_rest_is_named(promoted):
    root, ended, *_ = promoted
    assert [found["task"] for found in ended.evidence["gate"]["quality"]] == [TAUGHT]
    assert [proof["task"] for proof in ended.evidence["calibrate"]["proofs"]] == [TAUGHT]
    assert ended.reasons[-1].startswith(f"Task {UNTAUGHT} stays as it is: it has 5 gate rows")
    with read_versions(world.store_in(root)) as versions:
        certificate = versions.find(ended.version).summary["tasks"][UNTAUGHT]["certificate"]
    assert certificate is not None


def test_its_failures_wait_for_the_turn_that_can_prove_something(promoted):
    root, ended, *_ = promoted
    given = world.settings_in(root), world.store_in(root), world.LENIENT, world.encoders(root)
    plan = plan_only(*given, now_s=world.NOW_S, stages=Stages())
    before = {task["task"]: task["failures"] for task in ended.evidence["plan"]["tasks"]}
    assert {task.task: task.failures for task in plan.tasks} == {UNTAUGHT: before[UNTAUGHT]}
    assert plan.why_not(world.LENIENT.fewest).startswith("No task is left")
