"""Versions move by the table, serve one at a time, and come back byte for byte."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.store.made_policies import NOW_S, TO_ACTIVE, WHY, activated, bytes_of, made

from routenlp.errors import ArtefactError, IllegalMove, MissingData, StoreError
from routenlp.loop.delta import row_keys
from routenlp.loop.lifecycle import State
from routenlp.store.policy_versions import PolicyVersions, open_versions, read_versions
from routenlp.store.turn_lock import Held, hold


@dataclass(frozen=True, slots=True)
class World:
    """A store with an active policy, and a folder with another one."""

    versions: PolicyVersions
    held: Held
    store: Path
    active: str
    other: Path

    def add(self, limit: float | None = None):
        source = self.other if limit is None else made(self.store.parent / f"made-{limit}", limit)
        return self.versions.add(self.held, source, origin="turn 1", now_s=NOW_S)

    def move(self, version: str, *states: State):
        for state in states:
            share = 0.05 if state is State.CANARY else 0.0
            self.versions.move(self.held, version, state, WHY, now_s=NOW_S, share=share)

    def roll_back(self):
        return self.versions.roll_back(self.held, {"kind": "harm"}, now_s=NOW_S)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    store = tmp_path / "s.db"
    with hold(store, "test", NOW_S) as held, open_versions(store) as versions:
        active = activated(versions, held, made(tmp_path / "first", 0.25)).id
        yield World(versions, held, store, active, made(tmp_path / "other", 0.5))


def test_a_candidate_takes_over_whole_and_the_old_policy_is_where_a_roll_back_goes(world):
    new = world.add()
    assert (new.state, new.parent) == (State.DRAFT, world.active)
    world.move(new.id, *TO_ACTIVE)
    pointer = world.versions.pointer()
    assert (pointer.active, pointer.previous, pointer.candidate, pointer.share) == (new.id, world.active, None, 0.0)
    assert world.versions.find(world.active).state is State.RETIRED


def test_a_roll_back_restores_the_policy_byte_for_byte(world):
    before = bytes_of(world.versions.folder(world.active))
    new = world.add()
    world.move(new.id, *TO_ACTIVE)
    pointer = world.roll_back()
    assert pointer.active == world.active
    assert bytes_of(world.versions.folder(world.active)) == before
    assert world.versions.find(new.id).state is State.RETIRED
    assert world.versions.find(world.active).state is State.ACTIVE


def test_a_roll_back_of_a_canary_rejects_it_and_the_active_policy_never_moved(world):
    new = world.add()
    world.move(new.id, *TO_ACTIVE[:3])
    assert world.versions.pointer().share == 0.05
    pointer = world.roll_back()
    assert (pointer.active, pointer.candidate, pointer.share) == (world.active, None, 0.0)
    assert world.versions.find(new.id).state is State.REJECTED


def test_there_is_one_way_back_and_then_none(world):
    new = world.add()
    world.move(new.id, *TO_ACTIVE)
    world.roll_back()
    with pytest.raises(IllegalMove, match="no policy to go back to"):
        world.roll_back()


def test_every_move_is_kept_with_its_evidence(world):
    new = world.add()
    world.move(new.id, *TO_ACTIVE[:3])
    world.versions.set_share(world.held, 0.25, {"kind": "canary", "audits": 50}, now_s=NOW_S)
    moves = world.versions.moves(new.id)
    assert [m.after for m in moves] == [State.DRAFT, *TO_ACTIVE[:3], State.CANARY]
    assert (moves[-1].share, moves[-1].evidence["audits"], moves[-1].who) == (0.25, 50, "test")


def test_only_the_table_s_moves_are_made_and_a_refused_one_changes_nothing(world):
    new = world.add()
    before = world.versions.pointer()
    with pytest.raises(IllegalMove, match="is draft and cannot become canary"):
        world.move(new.id, State.CANARY)
    assert world.versions.pointer() == before
    assert world.versions.find(new.id).state is State.DRAFT


def test_one_candidate_at_a_time(world):
    first, second = world.add(), world.add(0.6)
    world.move(first.id, State.CALIBRATED, State.SHADOW)
    world.move(second.id, State.CALIBRATED)
    with pytest.raises(IllegalMove, match=f"cannot be tried while {first.id} is"):
        world.move(second.id, State.SHADOW)


def test_a_new_active_policy_ends_a_trial_against_the_old_one(world):
    tried, renewed = world.add(), world.add(0.6)
    world.move(tried.id, *TO_ACTIVE[:3])
    world.move(renewed.id, State.CALIBRATED, State.ACTIVE)
    assert world.versions.find(tried.id).state is State.REJECTED
    assert world.versions.moves(tried.id)[-1].evidence["by"] == renewed.id
    pointer = world.versions.pointer()
    assert (pointer.active, pointer.candidate, pointer.share) == (renewed.id, None, 0.0)


def test_nothing_is_tried_against_nothing(tmp_path):
    store = tmp_path / "s.db"
    with hold(store, "test", NOW_S) as held, open_versions(store) as versions:
        new = versions.add(held, made(tmp_path / "p", 0.5), origin="test", now_s=NOW_S)
        versions.move(held, new.id, State.CALIBRATED, WHY, now_s=NOW_S)
        with pytest.raises(IllegalMove, match="none to be tried against"):
            versions.move(held, new.id, State.SHADOW, WHY, now_s=NOW_S)


def test_the_same_content_is_the_same_version(world):
    assert world.add().id == world.add().id
    assert len(world.versions.all()) == 2


def test_an_altered_folder_never_serves(world):
    new = world.add()
    world.move(new.id, State.CALIBRATED, State.SHADOW)
    part = world.versions.folder(new.id) / "policy" / "frame.json"
    part.write_bytes(part.read_bytes().replace(b"small", b"smell"))
    with pytest.raises(ArtefactError, match="SHA-256"):
        world.move(new.id, State.CANARY)
    assert world.versions.pointer().share == 0.0


def test_an_altered_folder_is_not_gone_back_to(world):
    new = world.add()
    world.move(new.id, *TO_ACTIVE)
    (world.versions.folder(world.active) / "policy" / "router.npz").unlink()
    with pytest.raises(ArtefactError):
        world.roll_back()
    assert world.versions.pointer().active == new.id


def test_a_certificate_of_another_policy_makes_no_policy_calibrated(world, tmp_path):
    from routenlp.store import artefacts
    from routenlp.types import Parts

    parts = artefacts.read(world.other / "policy")
    rule = parts["stop_rule"]
    changed = parts | {"stop_rule": Parts(rule.kind, rule.arrays, {**rule.meta, "top": "mid"})}
    artefacts.write(tmp_path / "changed" / "policy", changed)
    new = world.versions.add(world.held, tmp_path / "changed", origin="test", now_s=NOW_S)
    assert new.summary["tasks"]["intent"]["status"] == "uncertified"
    with pytest.raises(IllegalMove, match="proved for other router"):
        world.move(new.id, State.CALIBRATED)


def test_what_is_no_policy_is_refused_and_leaves_nothing(world, tmp_path):
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "notes.txt").write_text("x")
    with pytest.raises(ArtefactError, match="belongs to no artefact"):
        world.versions.add(world.held, tmp_path / "junk", origin="test", now_s=NOW_S)
    assert [p.name for p in world.versions.root.iterdir()] == [world.active]


def test_a_disk_that_is_full_leaves_nothing_and_the_active_policy_as_it_is(world):
    before, pointer = bytes_of(world.versions.root), world.versions.pointer()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, limit[1]))
        with pytest.raises(StoreError, match="cannot take the policy"):
            world.add()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert bytes_of(world.versions.root) == before
    assert world.versions.pointer() == pointer
    assert world.add().state is State.DRAFT


def test_a_disk_that_is_full_while_the_pointer_changes_leaves_the_old_one(world):
    new = world.add()
    world.move(new.id, *TO_ACTIVE[:3])
    size = (world.store.parent / "s.db-wal").stat().st_size
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
        with pytest.raises(StoreError):
            world.move(new.id, State.ACTIVE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert world.versions.pointer().active == world.active
    assert world.versions.find(new.id).state is State.CANARY
    world.move(new.id, State.ACTIVE)


def test_a_version_is_found_by_its_first_digits(world):
    assert world.versions.find(world.active[:6]).id == world.active
    for name in ("", "zz"):
        with pytest.raises(MissingData):
            world.versions.find(name)


def test_looks_of_the_gate_are_kept(world):
    new = world.add()
    world.versions.log_look(world.held, new.id, 0.05, row_keys(["a", "b"]), now_s=NOW_S)
    (look,) = world.versions.looks()
    assert (look.version, look.level, look.rows) == (new.id, 0.05, row_keys(["b", "a"]))


def test_a_reader_changes_nothing(world):
    with read_versions(world.store) as reader, pytest.raises(StoreError, match="readonly"):
        reader.move(world.held, world.active, State.RETIRED, WHY, now_s=NOW_S)
