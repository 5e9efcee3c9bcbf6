"""One row as every generator is asked it, kept on disk: what the steps after `prepare` read."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from routenlp.bench.record.roles import Role
from routenlp.errors import CorruptData, MissingData
from routenlp.types import Query, Turn

ROWS = "rows.jsonl.gz"
Tier = Literal["smollm2", "distilled", "tuned"]
SMOLLM2: Tier = "smollm2"
DISTILLED: Tier = "distilled"
"""The prompted model after a turn of the loop: asked the same way."""
TUNED: Tier = "tuned"
SYSTEM = {
    "cs_response": "You are a customer service agent. Write the agent's next reply to the conversation.",
    "fin_summarisation": (
        "You write the headlines of an earnings call: short lines, all in lower case, with its figures."
    ),
}
"""System prompts by task."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row with its prompts."""

    id: str
    group: str
    fold: str
    role: Role
    start: bool
    """Whether it may be shown to others as an example: whether it is of the start of the training fold."""
    reference: str
    text: str
    """What the query says, as far as the tuned model sees it."""
    brief: str
    """As far as the prompted model does."""
    shown: tuple[str, ...]
    """Answers of the retrieved examples, nearest first."""
    turns: tuple[tuple[str, str], ...]
    """Of the prompted model: examples as an earlier conversation, the nearest at its end."""
    prompt: str
    """Of the tuned model: examples and text in one message."""

    def query(self, task: str, tier: Tier) -> Query:
        """What the tier is asked, beside the task's system prompt."""
        if tier == TUNED:
            return Query(self.id, task, self.prompt)
        return Query(self.id, task, self.brief, turns=tuple(Turn(role, text) for role, text in self.turns))


def write_asked(path: Path, rows: Iterable[Asked]) -> None:
    """All of one task."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(gzip.compress(lines, mtime=0))
    temporary.replace(path)


def read_asked(path: Path) -> list[Asked]:
    """In the order written. Raises `MissingData`, `CorruptData`."""
    try:
        lines = gzip.decompress(path.read_bytes()).splitlines()
        return [msgspec.json.decode(line, type=Asked) for line in lines]
    except FileNotFoundError as exc:
        raise MissingData(str(path), "is not there", "Run routenlp bench record from its first step.") from exc
    except (OSError, EOFError, ValueError) as exc:
        raise CorruptData(str(path), f"cannot be read ({exc})", "Remove the folder, and run it again.") from exc
