"""What people see: rich tables on standard output. Everything is escaped: cells come from data."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from routenlp.bench.six_tasks.table import Table
from routenlp.errors import SettingsError


def show_tables(console: Console, tables: Sequence[Table]) -> None:
    """Each table under its title; wide ones wrap inside their cells."""
    for table in tables:
        drawn = RichTable(title=Text(table.title), title_justify="left", title_style="bold", show_lines=False)
        for head in table.heads:
            drawn.add_column(Text(head), overflow="fold")
        for row in table.rows:
            drawn.add_row(*(Text(cell) for cell in row))
        console.print(drawn)
        console.print()


def show_lines(console: Console, lines: Sequence[str], *, bullet: str = "") -> None:
    """Plain lines, wrapped, nothing interpreted as markup."""
    for line in lines:
        console.print(Text(bullet + line))


def write_json(value: object, target: str) -> None:
    """`-` is standard output; a file is written whole or not at all."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
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
        raise SettingsError(
            "--json", f"{target!r} cannot be written ({exc.strerror})", "Name a writable file."
        ) from exc
