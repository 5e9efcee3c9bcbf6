"""`kill -9` anywhere in a promotion or a roll-back leaves one whole policy in force, and the promotion can go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.store.made_policies import made, store_with_active

REPOSITORY = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")]


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    base = tmp_path_factory.mktemp("kills") / "base"
    base.mkdir()
    _, old = store_with_active(base)
    made(base / "new", 0.5)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])}
    command = [sys.executable, str(Path(__file__).with_name("killed_promotions.py")), str(base)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    return old, [json.loads(line) for line in done.stdout.splitlines()]


def test_there_were_kills_at_every_stage(kills):
    _, found = kills
    where = {k["where"].split()[0] for k in found}
    assert len(found) > 60
    assert {
        "copy_in",
        "_copy",
        "PolicyVersions._point",
        "PolicyVersions._change",
        "PolicyVersions._log",
        "transaction",
    } <= where


def test_what_serves_is_byte_for_byte_one_policy(kills):
    _, found = kills
    wrong = [k for k in found if not (k["identical"] and k["whole"] and k["one_active"] and k["on_trial"])]
    assert wrong == []
    assert not [k for k in found if k["share_of_nobody"]]


def test_before_the_last_step_the_old_policy_serves(kills):
    old, found = kills
    promotions = [k["active"] == old for k in found if k["kind"] == "promote"]
    assert promotions[0]
    assert promotions == sorted(promotions, reverse=True), "there is one moment at which it changes"


def test_a_killed_promotion_goes_on_to_its_end_and_leaves_no_litter(kills):
    old, found = kills
    assert {k["ends_with"] == old for k in found if k["kind"] == "promote"} == {False}
    assert {k["ends_with"] == old for k in found if k["kind"] == "roll back"} == {True}
    assert [k for k in found if k["litter"]] == []
