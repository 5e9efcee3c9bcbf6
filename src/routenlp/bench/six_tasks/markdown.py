"""Tables in a Markdown page, between markers, so that a page shows only what a command printed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from routenlp.bench.six_tasks.table import Table
from routenlp.errors import SettingsError


def as_page(tables: Sequence[Table], notes: Sequence[str]) -> str:
    """Tables, then notes as a list."""
    return "\n\n".join(t.markdown() for t in tables) + "\n\n" + "\n".join(f"- {note}" for note in notes)


def markers(name: str) -> tuple[str, str]:
    """The lines between which the text of `name` stands."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def between_markers(text: str, name: str) -> str:
    """What stands between the markers; raises `SettingsError` where they are not."""
    begin, end = markers(name)
    _, found, rest = text.partition(begin)
    inside, closed, _ = rest.partition(end)
    if not found or not closed:
        raise SettingsError(f"marker {begin}", f"is not in the page, or has no {end}", "Put both lines into it.")
    return inside.strip()


def put_between_markers(path: Path, name: str, text: str) -> None:
    """Replace what stands between the markers of `name`; the page is written whole or not at all."""
    page = path.read_text(encoding="utf-8")
    between_markers(page, name)
    begin, end = markers(name)
    before, after = page.partition(begin)[0], page.partition(end)[2]
    temporary = path.with_name(f".{path.name}.partial")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
