"""Rows to prove commit rules on, from a file: a line a query, with what every tier answered, token by token.

{"id": "q1", "text": "...", "group": "dialogue 7", "turns": [], "metadata": {},
 "answers": {"small": {"text": "Hi.", "probs": [0.9, 0.8], "bytes": [2, 1], "input_tokens": 9, "output_tokens": 3}, ..},
 "quality": {"small": 0.4, "top": 0.9}}
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from routenlp.backends.generations import Generation, checked
from routenlp.errors import CorruptData, MissingData
from routenlp.replay.streaming.commit_policy import StreamRow
from routenlp.replay.streaming.through_machine import RecordedStream, StreamSpeed
from routenlp.types import Query, Turn

_REMEDY = "docs/streaming.md has the format."
_UNTIMED = StreamSpeed(0.0, 0.0)
"""Proofs are about quality: no speed is looked at."""


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    probs: list[float]
    bytes: list[int]
    input_tokens: int
    output_tokens: int


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    text: str
    answers: dict[str, _Said]
    quality: dict[str, float]
    group: str | None = None
    """None: the query stands for itself."""
    turns: list[Turn] = []
    metadata: dict[str, str] = {}


_LINE = msgspec.json.Decoder(_Line)


def read_stream_rows(path: Path, task: str) -> Iterator[StreamRow]:
    """One by one; gzipped where the name ends in .gz. Raises `MissingData`, and `CorruptData` that names the line."""
    try:
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such file", f"Name rows, as JSON lines: {_REMEDY}") from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise CorruptData(str(path), f"cannot be read ({exc})", _REMEDY) from exc
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{path}, line {number}"
            try:
                yield _row(_LINE.decode(line), task, where)
            except (msgspec.DecodeError, RecursionError) as exc:
                raise CorruptData(where, f"is no row ({exc})", _REMEDY) from exc


def _row(line: _Line, task: str, where: str) -> StreamRow:
    for tier, quality in line.quality.items():
        if not 0.0 <= quality <= 1.0:
            raise CorruptData(where, f"has a quality of {quality} at {tier!r}", "Qualities are in [0, 1].")
    if missing := line.answers.keys() ^ line.quality.keys():
        raise CorruptData(where, f"has no answer or no quality of {min(missing)!r}", "Give both of every tier.")
    query = Query(line.id, task, line.text, line.metadata, tuple(line.turns))
    return StreamRow(query, line.group or line.id, _streams(line.id, line.answers, where), line.quality)


def _streams(id_: str, answers: Mapping[str, _Said], where: str) -> dict[str, RecordedStream]:
    out = {}
    for tier, said in answers.items():
        probs, sizes = tuple(said.probs), tuple(said.bytes)
        one = Generation(id_, said.text, probs, sizes, said.input_tokens, said.output_tokens, "stop")
        out[tier] = RecordedStream(checked(one, f"{where}, {tier}", _REMEDY), _UNTIMED)
    return out
