"""A whole turn on a store that real requests filled: a candidate in the shadow, or a reason; kills at every stage."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.loop import turn_world as world
from tests.loop.turn_world import Stages

from routenlp import wiring
from routenlp.errors import LockHeld, MissingData
from routenlp.loop.compared import from_evidence
from routenlp.loop.lifecycle import State
from routenlp.replay.folds import row_hash
from routenlp.store import rows_book, segments
from routenlp.store.policy_versions import open_versions, read_versions
from routenlp.store.turn_lock import hold
from routenlp.worker.in_force import decides_on
from routenlp.worker.turn.journal import Stage, journals
from routenlp.worker.turn.run import Order, plan_only

pytestmark = pytest.mark.slow
STAGES = ["reading the system that serves", *(str(stage) for stage in Stage if stage is not Stage.END)]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("served")
    world.make(root)
    return root


@pytest.fixture
def root(served, tmp_path) -> Path:
    return world.copy(served, tmp_path / "world")


@pytest.fixture(scope="module")
def turned(served, tmp_path_factory):
    root = world.copy(served, tmp_path_factory.mktemp("turned") / "world")
    return root, world.turn(root)


def pointer(root):
    with read_versions(world.store_in(root)) as versions:
        return versions.pointer()


def bytes_in_force(root) -> str:
    """Of everything that serves."""
    with read_versions(world.store_in(root)) as versions:
        active = versions.pointer().active
        folder = versions.folder(active) if active else world.settings_in(root).policy.folder
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_a_turn_leaves_a_candidate_beside_the_policy_in_force(turned):
    root, ended = turned
    assert ended.outcome == "shadow", ended.reasons
    now = pointer(root)
    assert now.candidate == ended.version
    assert now.active != now.candidate
    assert now.share == 0.0
    with read_versions(world.store_in(root)) as versions:
        moves = versions.moves(ended.version)
    assert [str(move.after) for move in moves if move.before != move.after] == ["draft", "calibrated", "shadow"]
    assert moves[-1].evidence["kind"] == "gate"
    kept = next(move.evidence for move in moves if move.evidence["kind"] == "gate rows")
    rows = from_evidence(kept)
    with read_versions(world.store_in(root)) as versions:
        placed = segments.read(versions.folder(ended.version))
    assert placed
    assert {task.task for task in rows if task.named_segments} == set(placed)
    assert {t.task: t.n for t in rows} == {f["task"]: f["rows"] for f in moves[-1].evidence["quality"]}


def test_every_number_that_it_decided_on_is_evidence(turned):
    _, ended = turned
    assert {"plan", "teach", "distil", "calibrate", "store", "gate", "end"} == set(ended.evidence)
    plan = ended.evidence["plan"]["tasks"]
    assert all(task["failures"] and task["clusters"] for task in plan)
    assert sum(cluster["lessons"] for task in plan for cluster in task["clusters"]) == sum(
        len(task["lessons"]) for task in plan
    )
    assert "answers" not in ended.evidence["teach"]
    json.dumps(ended.evidence, allow_nan=False)


def test_no_held_out_row_was_learned_from(turned):
    root, ended = turned
    with read_versions(world.store_in(root)) as versions:
        before = rows_book.read(versions.folder(versions.pointer().active) / "rows")
        after = rows_book.read(versions.folder(ended.version) / "rows")
    for task, rows in after.items():
        held_out = {row_hash(example) for example in before[task].held_out}
        assert rows.held_out == before[task].held_out
        assert held_out.isdisjoint(row_hash(example) for example in rows.train.examples)
        assert len(rows.train.examples) > len(before[task].train.examples)


def test_the_next_turn_waits_for_the_trial_to_end_or_has_nothing_new(turned, tmp_path):
    root = world.copy(turned[0], tmp_path / "again")
    with pytest.raises(MissingData, match="no traffic"):
        world.turn(root)


def test_a_gate_without_proof_rejects(root):
    ended = world.turn(root, world.GREEDY)
    assert ended.outcome == "rejected"
    assert any("not shown" in reason.lower() for reason in ended.reasons)
    assert pointer(root).candidate is None
    with read_versions(world.store_in(root)) as versions:
        assert versions.find(ended.version).state is State.REJECTED
        assert len(versions.looks()) == 1


def test_a_task_that_loses_is_left_as_it_was_and_the_other_goes_on(root):
    """Where a third of the quality may be lost the candidate gives some away: on one task more than on the other."""
    file = root / "demo" / "routenlp.yaml"
    file.write_text(file.read_text().replace("eps: 0.005", "eps: 0.3"))
    ended = world.turn(root, replace(world.LENIENT, bar=replace(world.LENIENT.bar, left_from=0.1)))
    calibrated = ended.evidence["calibrate"]
    (worse,), (better,) = calibrated["losing"], [proof["task"] for proof in calibrated["proofs"]]
    assert calibrated["lost"][better] < 0.1 < calibrated["lost"][worse]
    assert [found["task"] for found in ended.evidence["gate"]["quality"]] == [better]
    assert any(reason.startswith(f"Task {worse} stays as it is") for reason in ended.reasons)
    with read_versions(world.store_in(root)) as versions:
        now = versions.pointer()
        folders = versions.folder(now.active), versions.folder(now.candidate)
    files = [
        {path.relative_to(at): path.read_bytes() for path in at.rglob(f"{worse}.*") if "segments" not in path.parts}
        for at in folders
    ]
    assert files[0] == files[1] != {}
    before, after = (wiring.serving_policy(world.settings_in(root), at).policy for at in folders)
    assert decides_on(before)[worse] == decides_on(after)[worse]
    assert decides_on(before)[better] != decides_on(after)[better]


def test_a_candidate_of_which_nothing_is_proved_carries_no_certificate(root):
    """With one, which proves nothing, its audits would never call for a calibration."""
    file = root / "demo" / "routenlp.yaml"
    file.write_text(file.read_text().replace("serve_when: empirical", "serve_when: certified"))
    ended = world.turn(root)
    proofs = ended.evidence["calibrate"]["proofs"]
    assert [proof["status"] for proof in proofs] == ["uncertified"] * 2
    with read_versions(world.store_in(root)) as versions:
        tasks = versions.find(ended.version).summary["tasks"]
    assert [tasks[proof["task"]]["certificate"] for proof in proofs] == [None] * 2


def test_where_no_gate_row_could_prove_anything_the_turn_ends_before_a_lesson_is_paid(root):
    ended = world.turn(root, world.STRICT, ask=lambda _: pytest.fail("the teacher was asked"))
    assert ended.outcome == "nothing to learn"
    *left, why = ended.reasons
    assert [reason.split()[1] for reason in left] == ["generated_entities", "generated_intent"]
    assert all("gate rows" in reason for reason in left)
    assert "No task is left" in why
    with read_versions(world.store_in(root)) as versions:
        assert versions.looks() == []


def test_a_plan_spends_and_writes_nothing(root):
    before = sorted(path.name for path in (root / "demo").iterdir())
    plan = plan_only(
        world.settings_in(root),
        world.store_in(root),
        world.LENIENT,
        world.encoders(root),
        now_s=world.NOW_S,
        stages=Stages(),
    )
    assert plan.lessons > 0
    assert plan.gain.low <= plan.gain.estimate
    assert sorted(path.name for path in (root / "demo").iterdir()) == before
    assert json.dumps(plan.as_json(), allow_nan=False)


def test_killed_at_every_stage_it_goes_on_and_what_serves_is_untouched(root):
    before = bytes_in_force(root)
    for stage in STAGES:
        script = [sys.executable, "-m", "tests.loop.turn_world", str(root), stage]
        killed = subprocess.run(script, capture_output=True, text=True, check=False)
        assert killed.returncode == -signal.SIGKILL, (stage, killed.stderr)
        assert bytes_in_force(root) == before, stage
        assert pointer(root).candidate is None, stage
    ended = world.turn(root)
    assert (ended.turn, ended.outcome) == (1, "shadow"), ended.reasons
    assert bytes_in_force(root) == before
    assert len(journals(world.store_in(root))) == 1
    with read_versions(world.store_in(root)) as versions:
        assert len(versions.looks()) == 1


def test_two_turns_at_once_are_one(root):
    with hold(world.store_in(root), "turn", world.NOW_S), pytest.raises(LockHeld, match="turn, process"):
        world.turn(root)


def test_with_too_few_lessons_nothing_is_learned(root):
    ended = world.turn(root, Order(lessons=60, fewest=10_000))
    assert ended.outcome == "nothing to learn"
    assert pointer(root).candidate is None


def test_a_turn_that_was_overtaken_begins_anew(root):
    script = [sys.executable, "-m", "tests.loop.turn_world", str(root), "distil"]
    subprocess.run(script, capture_output=True, check=False)
    store = world.store_in(root)
    other = world.copy(root, root.parent / "other")
    (other / "demo" / "system" / "note").mkdir()
    ended_there = world.turn(other)
    with read_versions(world.store_in(other)) as there:
        folder = there.folder(ended_there.version)
    with hold(store, "test", world.NOW_S) as held, open_versions(store) as versions:
        version = versions.add(held, folder, origin="a person", now_s=world.NOW_S)
        versions.move(held, version.id, State.CALIBRATED, {}, now_s=world.NOW_S)
        versions.move(held, version.id, State.ACTIVE, {}, now_s=world.NOW_S)
    assert world.turn(root).outcome == "superseded"
