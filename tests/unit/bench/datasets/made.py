"""Small made data for these tests: rows, data folders with hashes, archives, and what a loopback server holds."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def line(task: str, split: str, number: int, /, **changes: Any) -> Line:
    row = {
        "task": task,
        "split": split,
        "id": f"made/{split}-{number}",
        "group": f"made/{split}-group-{number}",
        "text": f"text {number}",
        "target": f"label {number % 3}",
        "source": "made",
    }
    return row | changes


def gzipped(lines: list[Any]) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in lines).encode(), mtime=0)


@dataclass
class MadeData:
    """A data folder that a test fills."""

    root: Path

    @property
    def six_tasks(self) -> Path:
        return self.root / "six-tasks"

    def write(self, task: str, content: bytes | list[Any]) -> Path:
        path = self.six_tasks / f"{task}.jsonl.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else gzipped(content))
        return path

    def list_hashes(self) -> None:
        files = sorted(self.root.rglob("*.gz"))
        sums = (f"{hashlib.sha256(f.read_bytes()).hexdigest()}  ./{f.relative_to(self.root)}\n" for f in files)
        (self.root / "SHA256SUMS").write_text("".join(sums))


@dataclass
class Served:
    """What the loopback server answers, by path; what it was asked for."""

    url: str
    bodies: dict[str, bytes] = field(default_factory=dict)
    cut_to: int | None = None
    """Sends this many bytes of each body and hangs up, though it announced them all."""
    asked: list[str] = field(default_factory=list)


def tar_gz(members: Mapping[str, bytes], *, top: str = "repository-commit/", link: str | None = None) -> bytes:
    """An archive as a repository host packs it; `link` adds a symbolic link of that name to /etc/passwd."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in members.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
        if link is not None:
            member = tarfile.TarInfo(top + link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return content.getvalue()
