"""Recorded generations of one tier: answers by query id, each token with its probability, no word of the queries.

JSON lines, gzipped. A token is kept as the number of UTF-8 bytes that it added to the answer, and its probability as
one of 65,536 steps: `u` is off by less than 1e-5. What a token is called in a vocabulary is nobody's business here.
"""

from __future__ import annotations

import base64
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from routenlp.errors import CorruptData, MissingData

STEPS = 65_535
"""A probability p is stored as round(p x STEPS), in two bytes, little-endian."""

Ended = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model wrote to one query."""

    id: str
    """The query's, unique within its task."""
    answer: str
    token_probs: tuple[float, ...]
    """p(y_i | y_<i, x), in order, without the end-of-text token."""
    token_bytes: tuple[int, ...]
    """UTF-8 bytes that each token added: as many as `token_probs`, and `len(answer.encode())` together."""
    input_tokens: int
    output_tokens: int
    """As they are paid: with the end-of-text token, where there was one."""
    ended: Ended
    """`length`: cut off at the most tokens that were allowed."""

    def text_after(self, tokens: int) -> str:
        """What the first `tokens` tokens say."""
        return text_after(self.answer, self.token_bytes, tokens)


def text_after(text: str, sizes: Sequence[int], tokens: int) -> str:
    """What the first `tokens` tokens say, without the half of a character. `sizes`: UTF-8 bytes that each adds."""
    taken = sum(sizes[:tokens])
    return text.encode("utf-8", "surrogatepass")[:taken].decode("utf-8", "ignore")


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    answer: str
    probs: str
    bytes: list[int]
    input_tokens: int
    output_tokens: int
    ended: Ended


_LINE = msgspec.json.Decoder(_Line)
_REMEDY = "Record it again: routenlp bench record."


def write_generations(path: Path, generations: Iterable[Generation]) -> None:
    """Whole or not at all; same generations, same bytes. Raises `CorruptData` where tokens are not the answer's."""
    lines = b"".join(msgspec.json.encode(_packed(generation, path)) + b"\n" for generation in generations)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(gzip.compress(lines, mtime=0))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def read_generations(path: Path) -> Iterator[Generation]:
    """One by one, in the file's order. Raises `MissingData`, and `CorruptData` that names the line."""
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
    except FileNotFoundError as exc:
        raise MissingData(str(path), "there is no such recording", _REMEDY) from exc
    except (OSError, EOFError, zlib.error) as exc:
        raise CorruptData(str(path), f"cannot be read ({exc})", _REMEDY) from exc
    for number, line in enumerate(lines, 1):
        try:
            yield checked(_unpacked(_LINE.decode(line)), f"{path}, line {number}")
        except (msgspec.DecodeError, ValueError, RecursionError) as exc:
            raise CorruptData(f"{path}, line {number}", f"is no generation ({exc})", _REMEDY) from exc


def _packed(generation: Generation, path: Path) -> _Line:
    checked(generation, f"{path}, query {generation.id!r}")
    return _Line(
        id=generation.id,
        answer=generation.answer,
        probs=base64.b64encode(_steps(generation.token_probs).tobytes()).decode("ascii"),
        bytes=list(generation.token_bytes),
        input_tokens=generation.input_tokens,
        output_tokens=generation.output_tokens,
        ended=generation.ended,
    )


def _unpacked(line: _Line) -> Generation:
    steps = np.frombuffer(base64.b64decode(line.probs, validate=True), dtype="<u2")
    return Generation(
        id=line.id,
        answer=line.answer,
        token_probs=tuple((steps / STEPS).tolist()),
        token_bytes=tuple(line.bytes),
        input_tokens=line.input_tokens,
        output_tokens=line.output_tokens,
        ended=line.ended,
    )


def _steps(probs: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    return np.rint(np.asarray(probs, dtype=np.float64) * STEPS).astype("<u2")


def checked(generation: Generation, where: str, remedy: str = _REMEDY) -> Generation:
    """Itself; raises `CorruptData` where tokens, bytes and answer do not belong together."""
    probs, sizes = generation.token_probs, generation.token_bytes
    if len(probs) != len(sizes):
        raise CorruptData(where, f"has {len(probs)} probabilities and {len(sizes)} tokens", remedy)
    if not all(0.0 <= p <= 1.0 for p in probs) or min(sizes, default=0) < 0:
        raise CorruptData(where, "has a probability outside [0, 1] or a token of less than nothing", remedy)
    if sum(sizes) != len(generation.answer.encode("utf-8", "surrogatepass")):
        raise CorruptData(where, f"has tokens of {sum(sizes)} bytes, which are not its answer", remedy)
    if min(generation.input_tokens, generation.output_tokens) < 0:
        raise CorruptData(where, "was asked or answered in less than no tokens", remedy)
    return generation
