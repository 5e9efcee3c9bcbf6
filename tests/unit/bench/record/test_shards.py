"""Batches that are kept: a stopped run goes on, and what was altered is made again."""

from __future__ import annotations

import gzip

import pytest

from routenlp.bench.record.shards import Candidate, Candidates, in_shards

BATCHES, KEYS = [["a", "b"], ["c"], ["d"]], ["k0", "k1", "k2"]


def made(number):
    return [Candidates(name, 3, (Candidate(f"{name}!", (0.5,), (2,), "stop"),)) for name in BATCHES[number]]


def run(folder, keys=KEYS, stop_at=None):
    written = []

    def write(number):
        if number == stop_at:
            raise KeyboardInterrupt
        written.append(number)
        return made(number)

    rows = [row for found in in_shards(folder, BATCHES, keys, write) for row in found]
    return rows, written


def test_a_run_that_was_stopped_goes_on_and_is_the_same(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, stop_at=2)
    rows, written = run(tmp_path)
    assert written == [2]
    assert rows == [row for number in range(3) for row in made(number)]
    assert run(tmp_path) == (rows, [])


def test_what_was_cut_altered_or_made_for_something_else_is_made_again(tmp_path):
    run(tmp_path)
    first, second, _ = sorted(tmp_path.iterdir())
    first.write_bytes(first.read_bytes()[:-9])
    second.write_bytes(gzip.compress(gzip.decompress(second.read_bytes()).replace(b"c!", b"x!")))
    rows, written = run(tmp_path, ["k0", "k1", "other"])
    assert written == [0, 1, 2]
    assert rows[2].answers[0].text == "c!"
