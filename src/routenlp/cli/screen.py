"""What people see: rich tables on standard output. Everything is escaped: cells come from data."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from routenlp.bench.six_tasks.table import Table
from routenlp.errors import SettingsError

NARROW = 110
"""Width of tables where output goes to a file or a pipe, which has none of its own."""


def open_console(*, stderr: bool) -> Console:
    """A console as wide as the terminal, or `NARROW` where there is none."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(stderr=stderr, width=NARROW)


def show_tables(console: Console, tables: Sequence[Table]) -> None:
    """Each table under its title, an interval below its estimate; cells wrap where the screen is too narrow."""
    for table in tables:
        console.print(Text(table.title, style="bold"))
        drawn = RichTable(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        for column, head in enumerate(table.heads):
            drawn.add_column(Text(head), overflow="fold", min_width=_longest_word(table) if column == 0 else None)
        for row in table.rows:
            drawn.add_row(*(Text(cell.replace(" [", "\n[")) for cell in row))
        console.print(drawn)


def _longest_word(table: Table) -> int:
    """Of the first column, which names its row and is not cut within a word."""
    return max((len(word) for row in table.rows for word in row[0].split()), default=1)


def show_lines(console: Console, lines: Sequence[str], *, bullet: str = "") -> None:
    """Plain lines, nothing interpreted as markup; the terminal wraps them."""
    for line in lines:
        console.print(Text(bullet + line), soft_wrap=True)


def write_json(value: object, target: str) -> None:
    """`-` is standard output; a file is written whole or not at all."""
    write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", target, "--json")


def write_text(text: str, target: str, option: str) -> None:
    """`-` is standard output; a file is written whole or not at all. `option`: which named it."""
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as exc:
        raise SettingsError(option, f"{target!r} cannot be written ({exc.strerror})", "Name a writable file.") from exc
