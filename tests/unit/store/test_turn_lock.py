"""One holder at a time, told by name; the dead hold nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from routenlp.errors import LockHeld
from routenlp.store.turn_lock import hold

HOLDER = """
import sys, time
from pathlib import Path
from routenlp.store.turn_lock import hold
with hold(Path(sys.argv[1]), "turn 7", 1_800_000_000.0):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(store: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(store)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_the_second_is_told_who_holds_it_and_since_when(tmp_path):
    with holder(tmp_path / "s.db") as child:
        try:
            with pytest.raises(LockHeld, match=rf"turn 7, process {child.pid} on \S+, at work since 2027-01-15"):
                hold(tmp_path / "s.db", "promote", 0.0).__enter__()
        finally:
            child.kill()


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_a_killed_holder_holds_nothing(tmp_path):
    with holder(tmp_path / "s.db") as child:
        child.send_signal(signal.SIGKILL)
    with hold(tmp_path / "s.db", "promote", 0.0) as held:
        assert held.who == "promote"


def test_it_is_free_again_afterwards_also_after_an_error(tmp_path):
    with pytest.raises(KeyError), hold(tmp_path / "s.db", "turn", 0.0):
        raise KeyError
    with hold(tmp_path / "s.db", "turn", 0.0):
        pass


def test_one_process_cannot_hold_it_twice(tmp_path):
    with hold(tmp_path / "s.db", "turn", 0.0), pytest.raises(LockHeld, match="turn, process"):
        hold(tmp_path / "s.db", "promote", 0.0).__enter__()


def test_a_holder_without_a_readable_name_is_still_a_holder(tmp_path):
    with hold(tmp_path / "s.db", "turn", 0.0):
        (tmp_path / "s.db-turn.lock").write_text("{")
        with pytest.raises(LockHeld, match="has not said who it is"):
            hold(tmp_path / "s.db", "promote", 0.0).__enter__()


def test_two_stores_have_two_locks(tmp_path):
    with hold(tmp_path / "a.db", "turn", 0.0), hold(tmp_path / "b.db", "turn", 0.0):
        pass
