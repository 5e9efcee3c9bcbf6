"""The report on a terminal: drawn by rich, nothing cut, nothing in it taken for markup."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from routenlp.cli.report.document import Document
from routenlp.cli.screen import show_tables

_WIDEST = 100
"""Of a line of words."""


def show(console: Console, document: Document) -> None:
    """In reading order."""
    width = min(console.width, _WIDEST)
    console.print(Text(f"\n{document.title}", style="bold"))
    console.print(Text(document.about, style="dim"), width=width)
    console.print()
    for fact in document.facts:
        console.print(Text.assemble((f"{fact.label}: {fact.value}", "bold"), f" ({fact.note})"), width=width)
    for text in document.summary:
        console.print(Padding(Text(text), (1, 0, 0, 0)), width=width)
    for section in document.sections:
        console.print(Text(f"\n{section.heading}", style="bold underline"))
        for text in section.paragraphs:
            console.print(Padding(Text(text), (1, 0, 0, 0)), width=width)
        console.print()
        show_tables(console, [table for table in section.tables if table.rows])
        for point in section.points:
            console.print(Padding(Text(f"- {point}"), (0, 0, 0, 0)), width=width)
