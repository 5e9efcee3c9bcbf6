"""What generators wrote, a file a batch: written whole or not at all, and checked by hash when it is read again.

A run that was stopped goes on behind the last whole batch; a file that was altered, or written for other prompts,
weights or settings, is as good as none.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from routenlp.backends.generations import Ended


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer that may be given."""

    text: str
    probs: tuple[float, ...]
    sizes: tuple[int, ...]
    """UTF-8 bytes that each token added."""
    ended: Ended


class Candidates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that was written to one query, the likeliest first, then draws."""

    id: str
    input_tokens: int
    answers: tuple[Candidate, ...]


class _Shard(msgspec.Struct, frozen=True):
    key: str
    sha256: str
    rows: msgspec.Raw


def in_shards(
    folder: Path,
    batches: Sequence[Sequence[str]],
    keys: Sequence[str],
    write: Callable[[int], Sequence[Candidates]],
) -> Iterator[Sequence[Candidates]]:
    """Every batch, in order: from its file, else by `write(number)`, which is then kept.

    `batches`: query ids; `keys`: what each batch's answers depend on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, (ids, key) in enumerate(zip(batches, keys, strict=True)):
        path = folder / f"{number:05d}.json.gz"
        found = _read(path, key)
        if found is not None and [row.id for row in found] == list(ids):
            yield found
            continue
        made = write(number)
        _write(path, key, made)
        yield made


def _read(path: Path, key: str) -> list[Candidates] | None:
    """None where there is no whole file for this key."""
    try:
        shard = msgspec.json.decode(gzip.decompress(path.read_bytes()), type=_Shard)
        if shard.key == key and shard.sha256 == hashlib.sha256(bytes(shard.rows)).hexdigest():
            return msgspec.json.decode(shard.rows, type=list[Candidates])
    except (OSError, EOFError, ValueError, zlib.error):
        return None
    return None


def _write(path: Path, key: str, rows: Sequence[Candidates]) -> None:
    body = msgspec.json.encode(list(rows))
    shard = _Shard(key, hashlib.sha256(body).hexdigest(), msgspec.Raw(body))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(gzip.compress(msgspec.json.encode(shard), compresslevel=4, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
