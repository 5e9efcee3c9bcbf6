"""The report as Markdown."""

from __future__ import annotations

from routenlp.bench.six_tasks.table import Table
from routenlp.cli.report.document import Document, Section


def as_markdown(document: Document) -> str:
    """Ends with a line break. Cells come from data, so that nothing in them is taken for markup."""
    facts = "\n".join(f"- **{_plain(f.label)}: {_plain(f.value)}** ({_plain(f.note)})" for f in document.facts)
    parts = [f"# {document.title}", _plain(document.about), facts, *map(_plain, document.summary)]
    for section in document.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    points = ["\n".join(f"- {_plain(point)}" for point in section.points)] if section.points else []
    return [f"## {section.heading}", *map(_plain, section.paragraphs), *map(_table, section.tables), *points]


def _table(table: Table) -> str:
    if not table.rows:
        return f"**{table.title}**\n\nNothing."
    rows = tuple(tuple(_plain(cell) for cell in row) for row in table.rows)
    return Table(table.title, table.heads, rows).markdown()


def _plain(text: str) -> str:
    for mark in "\\*_|<>":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
