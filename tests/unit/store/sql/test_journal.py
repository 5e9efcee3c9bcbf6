from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routenlp.errors import StoreError
from routenlp.store.sql import journal as module
from routenlp.store.sql.journal import Charge, ChargeJournal


def charge(seq: int, key: str = "key_a") -> Charge:
    return Charge(seq, key, "intent", 19_675, 1_000 + seq)


def test_what_was_written_is_read_back_in_order(tmp_path: Path) -> None:
    journal = ChargeJournal(tmp_path / "s.db")
    charges = [charge(seq) for seq in range(1, 50)]
    for each in charges:
        journal.write(each)
    assert journal.replay() == charges
    journal.close()


@pytest.mark.parametrize("text", ["", 'a"b', "naïve\n\0 日本", "x" * 5_000])
def test_any_text_comes_back(tmp_path: Path, text: str) -> None:
    journal = ChargeJournal(tmp_path / "s.db")
    journal.write(charge(1, text))
    assert journal.replay() == [charge(1, text)]
    journal.close()


@given(st.integers(min_value=0, max_value=200))
def test_a_file_cut_anywhere_gives_its_whole_lines(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    store = tmp_path_factory.mktemp("journal") / "s.db"
    journal = ChargeJournal(store)
    for seq in range(1, 6):
        journal.write(charge(seq))
    file = Path(f"{store}-charges.a")
    data = file.read_bytes()
    whole = data[:cut].count(b"\n")
    os.truncate(file, min(cut, len(data)))
    assert journal.replay() == [charge(seq) for seq in range(1, whole + 1)]
    journal.close()


def test_a_changed_byte_ends_the_file(tmp_path: Path) -> None:
    journal = ChargeJournal(tmp_path / "s.db")
    for seq in range(1, 4):
        journal.write(charge(seq))
    file = tmp_path / "s.db-charges.a"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1].replace(b"1002", b"9002") + lines[2])
    assert journal.replay() == [charge(1)]
    journal.close()


def test_a_write_that_failed_half_way_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = ChargeJournal(tmp_path / "s.db")
    journal.write(charge(1))
    whole_write = os.pwrite
    monkeypatch.setattr(module.os, "pwrite", lambda file, data, at: whole_write(file, data[:11], at))
    with pytest.raises(OSError, match="full"):
        journal.write(charge(2))
    monkeypatch.undo()
    journal.write(charge(3))
    assert journal.replay() == [charge(1), charge(3)]
    journal.close()


def test_files_take_turns_and_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_BYTES", 500)
    journal = ChargeJournal(tmp_path / "s.db")
    largest = 0
    for seq in range(1, 2_000):
        journal.write(charge(seq))
        if seq % 7 == 0:
            # The commit always lags three charges behind, as it does under load.
            journal.committed(seq - 3)
            assert [c.seq for c in journal.replay()][-4:] == [seq - 3, seq - 2, seq - 1, seq]
        largest = max(largest, *(path.stat().st_size for path in tmp_path.iterdir()))
    assert largest < 2_000
    journal.close()


def test_nothing_that_is_not_committed_is_ever_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TURN_BYTES", 200)
    journal = ChargeJournal(tmp_path / "s.db")
    through = 0
    for seq in range(1, 500):
        journal.write(charge(seq))
        if seq % 11 == 0:
            through = seq - 5
            journal.committed(through)
        kept = {c.seq for c in journal.replay()}
        assert kept >= set(range(through + 1, seq + 1))
    journal.close()


def test_a_second_gateway_is_refused_and_may_come_later(tmp_path: Path) -> None:
    journal = ChargeJournal(tmp_path / "s.db")
    with pytest.raises(StoreError, match="another gateway"):
        ChargeJournal(tmp_path / "s.db")
    journal.close()
    ChargeJournal(tmp_path / "s.db").close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=os.strerror(errno.ENOENT)):
        ChargeJournal(tmp_path / "none" / "s.db")
