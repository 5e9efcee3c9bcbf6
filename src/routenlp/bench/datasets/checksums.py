"""SHA256SUMS files: reading, checking and keeping them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from routenlp.errors import CorruptData

NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")


def read_sums(root: Path) -> dict[str, str]:
    """Hash by path relative to `root`, from `root`/SHA256SUMS; empty when there is no such file.

    Raises `CorruptData` naming the line that cannot be read.
    """
    path = root / NAME
    try:
        lines = path.read_text("utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as exc:
        raise CorruptData(str(path), f"is not UTF-8 text: {exc}", "Restore the file") from exc
    sums = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise CorruptData(f"{path}, line {number}", f"is not 'HASH  PATH': {line[:80]!r}", "Restore the file")
        sums[match[2]] = match[1].lower()
    return sums


def format_sums(sums: Mapping[str, str]) -> str:
    """The text of a SHA256SUMS file, as sha256sum writes it, sorted by path."""
    return "".join(f"{digest}  ./{path}\n" for path, digest in sorted(sums.items()))


def check(content: bytes, expected: str, *, subject: str, remedy: str) -> None:
    """Raises `CorruptData` that names both hashes unless `content` has the SHA-256 `expected`."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise CorruptData(subject, f"has SHA-256 {found}, expected {expected}", remedy)
